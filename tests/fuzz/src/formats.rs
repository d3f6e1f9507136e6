//! Readers of the formats that the product writes, made after the formats' own descriptions and not after the product's writers.

use secrecy::ExposeSecret;
use tootstrap::assets::Project;
use tootstrap::plan::{self, Inputs};

/// Everything that is written from these inputs can be written, and says what was put into it.
///
/// # Panics
/// If not.
pub fn hold(inputs: &Inputs) {
    let project = Project::render(inputs).unwrap_or_else(|error| panic!("accepted, but cannot be written: {error:#}"));
    say_the_same(inputs, &project);
    let plan = plan::build(inputs);
    assert!(plan.steps().iter().all(|step| !step.resource.to_string().contains(char::is_control)), "a step's title has control characters");
}

/// The files say what was put into them.
pub fn say_the_same(inputs: &Inputs, project: &Project) {
    let settings = &inputs.settings;
    let environment = variables(&project.environment);
    let value = |name: &str| environment.iter().find(|(own, _)| own == name).map(|(_, value)| value.as_str());
    assert_eq!(value("LOCAL_DOMAIN"), Some(settings.handle_domain.as_str()));
    assert_eq!(value("WEB_DOMAIN").unwrap_or(settings.handle_domain.as_str()), settings.site.as_str());
    if let Some(smtp) = &settings.smtp {
        assert_eq!(value("SMTP_SERVER"), Some(smtp.server.as_str()));
        assert_eq!(value("SMTP_LOGIN"), Some(smtp.login.as_str()));
        assert_eq!(value("SMTP_FROM_ADDRESS"), Some(smtp.from.as_str()));
        let secrets = variables(project.secrets.expose_secret());
        let password = secrets.iter().find(|(name, _)| name == "SMTP_PASSWORD").map(|(_, value)| value.as_str());
        assert_eq!(password, Some(smtp.password.expose_secret()));
    }
    let images: Vec<_> = project.compose.split('\n').filter_map(|line| line.strip_prefix("    image: ")).map(quoted).collect();
    let wanted = &settings.images;
    assert_eq!(
        images,
        [&wanted.postgres, &wanted.redis, &wanted.mastodon, &wanted.mastodon, &wanted.streaming, &wanted.caddy].map(String::clone)
    );
    let words = caddy_words(&project.caddyfile);
    let after = |name: &str| words.iter().skip_while(|word| *word != name).nth(1).cloned();
    assert_eq!(after("email").as_deref(), Some(settings.contact.as_str()));
    assert!(words.iter().any(|word| word == settings.site.as_str()));
}

/// `NAME='value'`, one a line: within single quotes every character but the quote stands for itself.
///
/// # Panics
/// If a line is anything else.
fn variables(file: &str) -> Vec<(String, String)> {
    let lines = file.split('\n').filter(|line| !line.is_empty() && !line.starts_with('#'));
    lines
        .map(|line| {
            let (name, value) = line.split_once('=').unwrap_or_else(|| panic!("no variable: {line:?}"));
            assert!(name.bytes().all(|c| c.is_ascii_uppercase() || c.is_ascii_digit() || c == b'_'), "{line:?}");
            let plain = |c: u8| c.is_ascii_alphanumeric() || b"._-".contains(&c);
            let value = match value.strip_prefix('\'').and_then(|rest| rest.strip_suffix('\'')) {
                Some(inner) => inner,
                None if value.bytes().all(plain) => value,
                None => panic!("neither quoted nor plain: {line:?}"),
            };
            assert!(!value.contains(['\'', '\\', '\r', '\0']), "{line:?}");
            (name.to_owned(), value.to_owned())
        })
        .collect()
}

/// A double-quoted scalar of YAML 1.2 §7.3.1 on one line, with Compose's `$$` for `$`.
///
/// # Panics
/// If it is none, or has a character that YAML does not print (§5.1) or takes for a line break (YAML 1.1 §4.2).
fn quoted(text: &str) -> String {
    let inner = text.strip_prefix('"').and_then(|rest| rest.strip_suffix('"')).unwrap_or_else(|| panic!("no quoted scalar: {text:?}"));
    let printable = |c: char| {
        matches!(c, ' '..='~' | '\u{A0}'..='\u{D7FF}' | '\u{E000}'..='\u{FFFD}' | '\u{10000}'..) && !"\u{2028}\u{2029}\u{FEFF}".contains(c)
    };
    let mut value = String::new();
    let mut rest = inner.chars();
    while let Some(c) = rest.next() {
        assert!(printable(c) && c != '"', "{text:?}");
        value.push(match c {
            '\\' => match rest.next() {
                Some(c @ ('\\' | '"')) => c,
                Some('u') => code(rest.by_ref().take(4)),
                Some('U') => code(rest.by_ref().take(8)),
                other => panic!("an escape that the writer does not need: {other:?}"),
            },
            '$' => {
                assert_eq!(rest.next(), Some('$'), "would be interpolated: {text:?}");
                '$'
            }
            c => c,
        });
    }
    value
}

fn code(digits: impl Iterator<Item = char>) -> char {
    let digits: String = digits.collect();
    u32::from_str_radix(&digits, 16).ok().and_then(char::from_u32).unwrap_or_else(|| panic!("no character: {digits}"))
}

/// The words of a Caddyfile. In double quotes `\"` is a quote, and `{` begins a placeholder wherever it stands.
fn caddy_words(file: &str) -> Vec<String> {
    let (mut words, mut word, mut quoted, mut rest) = (Vec::new(), None::<String>, false, file.chars().peekable());
    while let Some(c) = rest.next() {
        match c {
            '\\' if quoted && rest.peek() == Some(&'"') => word.get_or_insert_default().extend(rest.next()),
            '"' if quoted || word.is_none() => {
                quoted = !quoted;
                word.get_or_insert_default();
            }
            '#' if !quoted && word.is_none() => while rest.next_if(|c| *c != '\n').is_some() {},
            c if c.is_whitespace() && !quoted => words.extend(word.take()),
            c => word.get_or_insert_default().push(c),
        }
    }
    assert!(!quoted, "a quote without end");
    words.extend(word);
    words
}
