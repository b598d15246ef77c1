//! Forms, written by hand.

use serde_json::Value;

use crate::support::http::Request;

const BOUNDARY: &str = "Outer7";

/// The body of a request to create.
#[derive(Debug, Clone)]
pub(crate) struct Form {
    body: Vec<u8>,
}

impl Form {
    /// Without a part.
    pub(crate) fn empty() -> Self {
        Self { body: Vec::new() }
    }

    /// With this document as its first part.
    pub(crate) fn new(document: &Value) -> Self {
        let header = "Content-Disposition: form-data; name=\"root-fields\"\r\nContent-Type: application/json";
        Self::empty().part(header, document.to_string().as_bytes())
    }

    /// Another part: the lines of its header, and its content.
    pub(crate) fn part(mut self, header: &str, content: &[u8]) -> Self {
        let head = format!("--{BOUNDARY}\r\n{header}\r\n\r\n");
        self.body.extend(head.as_bytes());
        self.body.extend(content);
        self.body.extend(b"\r\n");
        self
    }

    /// An attachment of this type.
    pub(crate) fn attachment(self, content_type: &str, content: &[u8]) -> Self {
        let header = format!(
            "Content-Disposition: form-data; name=\"attachments\"\r\nContent-Type: {content_type}"
        );
        self.part(&header, content)
    }

    /// What stands for an attachment where there is none.
    pub(crate) fn nothing(self) -> Self {
        let header = "Content-Disposition: form-data; name=\"attachments\"\r\nContent-Length: 0";
        self.part(header, b"")
    }

    /// The request with this body.
    pub(crate) fn on(&self, request: Request) -> Request {
        let mut body = self.body.clone();
        body.extend(format!("--{BOUNDARY}--\r\n").as_bytes());
        let content_type = format!("multipart/form-data; boundary=\"{BOUNDARY}\"");
        request.body(&content_type, body)
    }
}
