//! One escaper a format: it quotes a value, or refuses one that the format cannot hold.

use std::fmt::{self, Write};

use askama::filters::Escaper;

/// Values of a file that Compose reads as `env_file`.
///
/// Within single quotes Compose takes everything literally, in every version (mastodon.md §2.1); a quote or backslash in the value
/// cannot be carried safely and is refused, as are control characters.
#[derive(Clone, Copy, Debug)]
pub(crate) struct EnvFile;

/// Strings of a Compose file: double quotes of YAML, and `$$` for `$`, since Compose interpolates. What YAML 1.1 takes for a line end or
/// does not print is written as a number.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Yaml;

/// Words of a Caddyfile. Quotes cannot stop placeholders, so braces are refused.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Caddy;

/// Whether a value can be written into an env file; if not, why, as the rest of a sentence that begins with the field's name.
pub fn storable(value: &str) -> Result<(), String> {
    match value.chars().find(|c| matches!(c, '\'' | '\\' | '\u{FFFD}') || c.is_control()) {
        Some('\'') => Err("contains a single quote, which cannot be passed on safely".into()),
        Some('\\') => Err("contains a backslash, which cannot be passed on safely".into()),
        Some('\u{FFFD}') => Err("contains a character that is not UTF-8".into()),
        Some(_) => Err("contains a line break or another control character".into()),
        None => Ok(()),
    }
}

impl Escaper for EnvFile {
    fn write_escaped_str<W: Write>(&self, mut dest: W, value: &str) -> fmt::Result {
        storable(value).map_err(|_| fmt::Error)?;
        write!(dest, "'{value}'")
    }
}

impl Escaper for Yaml {
    fn write_escaped_str<W: Write>(&self, mut dest: W, value: &str) -> fmt::Result {
        if value.chars().any(char::is_control) {
            return Err(fmt::Error);
        }
        dest.write_char('"')?;
        for c in value.chars() {
            match c {
                '\\' => dest.write_str(r"\\")?,
                '"' => dest.write_str(r#"\""#)?,
                '$' => dest.write_str("$$")?,
                ' '..='~' => dest.write_char(c)?,
                c if c.is_alphanumeric() => dest.write_char(c)?,
                c => write!(dest, "\\U{:08X}", u32::from(c))?,
            }
        }
        dest.write_char('"')
    }
}

impl Escaper for Caddy {
    fn write_escaped_str<W: Write>(&self, mut dest: W, value: &str) -> fmt::Result {
        if value.chars().any(|c| c.is_control() || "{}\"\\`".contains(c)) {
            return Err(fmt::Error);
        }
        write!(dest, "\"{value}\"")
    }
}
