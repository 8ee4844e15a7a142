//! What both services need, and nothing about when or why they do it.

pub mod secret;
