//! Every event but spans as one line of JSON.

use std::io::{self, Write};

use super::{Event, Renderer};

/// Writes JSON lines.
pub struct Json<W> {
    out: W,
}

impl<W: Write + Send> Json<W> {
    /// To this writer.
    pub const fn new(out: W) -> Self {
        Self { out }
    }
}

impl<W: Write + Send> Renderer for Json<W> {
    fn event(&mut self, event: &Event) -> io::Result<()> {
        if let Event::Span { .. } = event {
            return Ok(());
        }
        serde_json::to_writer(&mut self.out, event)?;
        self.out.write_all(b"\n")?;
        self.out.flush()
    }
}

#[cfg(test)]
mod tests {
    use snapbox::{IntoData, assert_data_eq, str};

    use super::*;
    use crate::report::sample;

    #[test]
    fn bytes_are_numbers() {
        let mut out = Vec::new();
        for total in [None, Some(96_500_000)] {
            Json::new(&mut out).event(&sample::downloaded("docker/image-postgres", 38_240_000, total)).unwrap();
        }
        assert_data_eq!(
            String::from_utf8(out).unwrap(),
            str![[r#"
{"event":"progress","id":"docker/image-postgres","phase":"download","bytes":38240000}
{"event":"progress","id":"docker/image-postgres","phase":"download","bytes":38240000,"total":96500000}

"#]]
            .raw()
        );
    }

    #[test]
    fn each_event_is_one_line() {
        let mut out = Vec::new();
        let mut json = Json::new(&mut out);
        for event in sample::run() {
            json.event(&event).unwrap();
        }
        let text = String::from_utf8(out).unwrap();
        let steps: Vec<_> = text.lines().filter(|line| line.starts_with(r#"{"event":"step""#)).collect();
        assert_data_eq!(
            steps[1],
            str![[r#"
{"event":"step","at":"2026-11-23T05:24:43Z","id":"dns/record-a-social.example.org","title":"A record of social.example.org","outcome":"changed","changes":[{"kind":"do","what":"create the A record social.example.org → 203.0.113.10"}],"seconds":0.8}
"#]]
            .raw()
        );
    }
}
