//! Fuzz targets: one for each reader of bytes that others may have written. See fuzz/README.md.

mod archive;
mod conninfo;
mod definitions;
mod globals;
mod keys;
mod manifest;
mod memory;
mod mutation;
mod record;
mod rows;
mod run;
mod stored;
