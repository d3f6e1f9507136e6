//! Text of others, made fit to be shown.

/// The text without what a terminal would obey: colours and movements are left out; other control characters, and those that turn the
/// direction of writing, become `�`. Line ends and tabs stay.
///
/// Names in DNS, answers of servers and output of commands reach the operator's terminal, and none of them may write there what they like.
pub fn harmless(text: &str) -> String {
    let mut shown = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find(is_obeyed) {
        shown.push_str(&rest[..at]);
        let obeyed = &rest[at..];
        rest = sequence(obeyed).unwrap_or_else(|| {
            shown.push('\u{FFFD}');
            obeyed.strip_prefix(is_obeyed).unwrap_or_default()
        });
    }
    shown + rest
}

fn is_obeyed(c: char) -> bool {
    let turns = matches!(c, '\u{200E}' | '\u{200F}' | '\u{202A}'..='\u{202E}' | '\u{2066}'..='\u{2069}');
    turns || (c.is_control() && !matches!(c, '\n' | '\t'))
}

/// What follows a control sequence, `ESC [`, parameters, a letter (ECMA-48 §5.4), or a carriage return before a line's end.
fn sequence(text: &str) -> Option<&str> {
    if text.starts_with("\r\n") {
        return text.strip_prefix('\r');
    }
    let parameters = text.strip_prefix("\u{1b}[")?;
    let end = parameters.find(|c: char| !(' '..='?').contains(&c))?;
    parameters[end..].strip_prefix(|c: char| ('@'..='~').contains(&c))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_terminal_obeys_is_gone() {
        for (text, shown) in [
            ("plain\ttext\n", "plain\ttext\n"),
            ("é 漢 🐘", "é 漢 🐘"),
            ("\u{1b}[1;31mred\u{1b}[0m", "red"),
            ("\u{1b}[2Kline\r\n", "line\n"),
            ("title \u{1b}]0;x\u{7}", "title �]0;x�"),
            ("50 %\r60 %", "50 %�60 %"),
            ("\u{9b}31m", "�31m"),
            ("gro.elpmaxe\u{202e}", "gro.elpmaxe�"),
            ("cut \u{1b}[12", "cut �[12"),
            ("cut \u{1b}", "cut �"),
        ] {
            assert_eq!(harmless(text), shown, "{text:?}");
        }
    }
}
