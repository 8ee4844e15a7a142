//! What is asked of a store, and which right it needs.

use std::fmt;

/// One kind of request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Operation {
    /// Stores a small object.
    Store,
    /// Begins a multipart upload.
    BeginUpload,
    /// Stores one part of it.
    UploadPart,
    /// Makes the object of a multipart upload appear.
    CompleteUpload,
    /// Ends a multipart upload without an object.
    AbortUpload,
    /// Lists objects.
    List,
    /// Lists multipart uploads that were begun and not ended.
    ListUploads,
    /// Deletes an object.
    Delete,
    /// Reads an object or a part of it.
    Read,
}

impl Operation {
    /// All of them.
    pub const ALL: [Self; 9] = [
        Self::Store,
        Self::BeginUpload,
        Self::UploadPart,
        Self::CompleteUpload,
        Self::AbortUpload,
        Self::List,
        Self::ListUploads,
        Self::Delete,
        Self::Read,
    ];

    /// Its name in metrics.
    pub fn name(self) -> &'static str {
        match self {
            Self::Store => "store",
            Self::BeginUpload => "begin_upload",
            Self::UploadPart => "upload_part",
            Self::CompleteUpload => "complete_upload",
            Self::AbortUpload => "abort_upload",
            Self::List => "list",
            Self::ListUploads => "list_uploads",
            Self::Delete => "delete",
            Self::Read => "read",
        }
    }

    /// A bit for the right that the request needs: what one operation was allowed, another with the same right is
    /// allowed, too.
    pub(super) fn right(self) -> u8 {
        match self {
            Self::Store | Self::BeginUpload | Self::UploadPart | Self::CompleteUpload => 1,
            Self::AbortUpload => 2,
            Self::List => 4,
            Self::ListUploads => 8,
            Self::Delete => 16,
            Self::Read => 32,
        }
    }
}

impl fmt::Display for Operation {
    /// A verb that the object follows: `upload part of`.
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::Store => "store",
            Self::BeginUpload => "begin upload of",
            Self::UploadPart => "upload part of",
            Self::CompleteUpload => "complete upload of",
            Self::AbortUpload => "abort upload of",
            Self::List => "list",
            Self::ListUploads => "list unfinished uploads of",
            Self::Delete => "delete",
            Self::Read => "read",
        })
    }
}
