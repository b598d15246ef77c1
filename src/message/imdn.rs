//! Disposition notifications, `message/imdn+xml` (RFC 5438 §7).
//!
//! - A document that is broken, cut off, or has a document type is none: nothing is expanded, nothing guessed.
//! - Prefixes of the namespace do not matter.

use quick_xml::Reader;
use quick_xml::escape::resolve_predefined_entity;
use quick_xml::events::Event;

use super::text::text;

/// Longest text of one element that is read.
const LONGEST_TEXT: usize = 8192;
/// Deepest nesting that is followed; the schema needs four.
const DEEPEST: usize = 32;

/// What a notification reports.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Imdn {
    /// The id of the message reported on.
    pub message_id: Option<String>,
    /// `delivery`, `display` or `processing`.
    pub disposition_type: Option<String>,
    /// `delivered`, `displayed`, `failed`, `forbidden`, `error`, …
    pub status: Option<String>,
    /// Whom the message reported on was first sent to.
    pub original_recipient: Option<String>,
    /// Whom it reached.
    pub recipient: Option<String>,
}

impl Imdn {
    /// Reads a document; `charset` as its Content-Type has it.
    #[must_use]
    pub fn parse(bytes: &[u8], charset: Option<&str>) -> Option<Self> {
        let document = text(bytes, charset);
        let mut reader = Reader::from_str(document.trim_start_matches('\u{feff}').trim());
        let mut imdn = Self::default();
        let mut open: Vec<String> = Vec::new();
        let mut content = String::new();
        let mut complete = false;
        loop {
            match reader.read_event().ok()? {
                Event::Start(start) => {
                    let name = start.local_name().as_ref().to_owned();
                    imdn.enter(&open, &name, complete)?;
                    content.clear();
                    open.push(name);
                }
                Event::Empty(start) => {
                    imdn.enter(&open, start.local_name().as_ref(), complete)?;
                }
                Event::End(_) => {
                    imdn.leave(&open, &content);
                    content.clear();
                    open.pop()?;
                    complete = open.is_empty();
                }
                Event::Text(piece) => append(&mut content, &piece.xml10_content())?,
                Event::CData(piece) => append(&mut content, &piece.xml10_content())?,
                Event::GeneralRef(reference) => match reference.resolve_char_ref().ok()? {
                    Some(character) => append(&mut content, character.encode_utf8(&mut [0; 4]))?,
                    None => append(
                        &mut content,
                        resolve_predefined_entity(&reference.into_inner())?,
                    )?,
                },
                // RFC 5438 defines no document type; one can only be there to do harm.
                Event::DocType(_) => return None,
                Event::Comment(_) | Event::Decl(_) | Event::PI(_) => {}
                Event::Eof => return complete.then_some(imdn),
            }
        }
    }

    /// An element begins inside `open`.
    fn enter(&mut self, open: &[String], name: &str, complete: bool) -> Option<()> {
        match open {
            // One root, and it is `imdn`.
            [] if complete || name != "imdn" => return None,
            [_] => {
                if let Some(kind) = name.strip_suffix("-notification") {
                    self.disposition_type.get_or_insert_with(|| kind.to_owned());
                }
            }
            // RFC 5438 §7.2: the status is the name of the one element inside `status`.
            [_, notification, status]
                if status == "status" && notification.ends_with("-notification") =>
            {
                self.status.get_or_insert_with(|| name.to_owned());
            }
            _ => {}
        }
        (open.len() < DEEPEST).then_some(())
    }

    /// The innermost element of `open` ends.
    fn leave(&mut self, open: &[String], content: &str) {
        let [_, name] = open else { return };
        let field = match name.as_str() {
            "message-id" => &mut self.message_id,
            "original-recipient-uri" => &mut self.original_recipient,
            "recipient-uri" => &mut self.recipient,
            _ => return,
        };
        let content = content.trim();
        if !content.is_empty() {
            field.get_or_insert_with(|| content.to_owned());
        }
    }
}

fn append(content: &mut String, piece: &str) -> Option<()> {
    if content.len() + piece.len() > LONGEST_TEXT {
        return None;
    }
    content.push_str(piece);
    Some(())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn parse(document: &str) -> Option<Imdn> {
        Imdn::parse(document.as_bytes(), None)
    }

    const DISPLAYED: &str = "<?xml version=\"1.0\"?>\r\n<i:imdn xmlns:i=\"urn:ietf:params:xml:ns:imdn\"><!-- x -->\
        <i:message-id> a&amp;b&#x41;<![CDATA[<c>]]> </i:message-id><i:datetime>2026-06-01T10:20:30Z</i:datetime>\
        <i:recipient-uri>tel:+15550100</i:recipient-uri><i:original-recipient-uri>tel:+15550101</i:original-recipient-uri>\
        <i:display-notification><i:status><i:displayed/></i:status></i:display-notification></i:imdn>\r\n";

    #[test]
    fn a_report_is_read_whatever_its_prefix() {
        let expected = Imdn {
            message_id: Some("a&bA<c>".to_owned()),
            disposition_type: Some("display".to_owned()),
            status: Some("displayed".to_owned()),
            original_recipient: Some("tel:+15550101".to_owned()),
            recipient: Some("tel:+15550100".to_owned()),
        };
        assert_eq!(parse(DISPLAYED), Some(expected.clone()));
        assert_eq!(
            parse(&DISPLAYED.replace("i:", "").replace(":i", "")),
            Some(expected)
        );
    }

    #[test]
    fn cut_off_or_broken_reports_are_none() {
        let whole = DISPLAYED.trim_end();
        for end in 0..whole.len() {
            assert_eq!(parse(&whole[..end]), None, "cut at {end}");
        }
        for broken in [
            "<imdn></other>",
            "<imdn/><imdn/>",
            "<other></other>",
            "<imdn><a b=\"></imdn>",
            "<imdn>&x;</imdn>",
        ] {
            assert_eq!(parse(broken), None, "{broken}");
        }
    }

    #[test]
    fn document_types_and_entities_are_refused() {
        let bomb = "<!DOCTYPE imdn [<!ENTITY a \"aaaa\"><!ENTITY b \"&a;&a;\">]><imdn><message-id>&b;</message-id></imdn>";
        assert_eq!(parse(bomb), None);
    }

    #[test]
    fn depth_and_text_have_a_bound() {
        let deep = |levels: usize| {
            format!(
                "<imdn>{}{}</imdn>",
                "<a>".repeat(levels),
                "</a>".repeat(levels)
            )
        };
        assert!(parse(&deep(20)).is_some());
        assert_eq!(parse(&deep(100_000)), None);
        assert_eq!(
            parse(&format!(
                "<imdn><message-id>{}</message-id></imdn>",
                "x".repeat(9000)
            )),
            None
        );
    }

    proptest! {
        #[test]
        fn any_document_is_judged(bytes in proptest::collection::vec(any::<u8>(), 0..200), pieces in proptest::collection::vec(
            proptest::sample::select(vec!["<imdn>", "</imdn>", "<imdn", "/>", "<a>", "</a>", "&", "#x41;", "<![CDATA[", "]]>", "<!--", "-->", "<?", "<!DOCTYPE", ">", "é"]), 0..30)) {
            let _ = Imdn::parse(&bytes, None);
            let _ = parse(&pieces.concat());
        }
    }
}
