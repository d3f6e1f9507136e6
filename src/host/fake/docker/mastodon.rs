//! What Mastodon's database holds, and what Rails makes of it.

use std::collections::BTreeMap;

use secrecy::ExposeSecret;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use super::super::{Cmd, Machine, Reply, Stdin};
use crate::assets::{OWNER_SCRIPT, TEST_MESSAGE_SCRIPT};

/// Schema of the only image there is.
const SCHEMA: u64 = 20_260_818_093_000;

/// Mastodon's tables.
#[derive(Clone, Debug, Default)]
pub(crate) struct Tables {
    pub(crate) schema: u64,
    /// Roles with all permissions.
    pub(crate) roles: u32,
    pub(crate) actor: bool,
    pub(crate) application: bool,
    /// By account name, lower case.
    pub(crate) users: BTreeMap<String, FakeUser>,
    pub(crate) settings: BTreeMap<String, Value>,
}

/// Somebody with an account.
#[derive(Clone, Debug)]
pub(crate) struct FakeUser {
    pub(crate) email: String,
    pub(crate) password: String,
    /// Confirmed and approved.
    pub(crate) finished: bool,
    pub(crate) administrator: bool,
}

impl Tables {
    /// As `db:prepare` makes them.
    pub(crate) fn seeded() -> Self {
        Self { schema: SCHEMA, roles: 1, actor: true, application: true, ..Self::default() }
    }
}

/// Answers the questions of `resource::mastodon`, told apart by what they select.
pub(super) fn psql(machine: &mut Machine, cmd: &Cmd) -> Reply {
    let sql = cmd.text().map(|sql| sql.expose_secret().to_owned()).unwrap_or_default();
    if sql.contains("pg_database_size") {
        return Reply::read(format!("bytes={}\naccounts={}\n", 8 << 20, u8::from(machine.docker.tables.is_some())));
    }
    let Some(tables) = &machine.docker.tables else { return Reply::read("") };
    let Tables { schema, roles, actor, application, .. } = tables;
    let (actor, application) = (u8::from(*actor), u8::from(*application));
    let owner = cmd.args.iter().find_map(|arg| arg.strip_prefix("owner=")).unwrap_or_default().to_lowercase();
    let administrators = tables.users.values().filter(|user| user.administrator).count();
    let state = tables.users.get(&owner).map_or(String::new(), |user| {
        let unfinished = user.administrator && !user.finished;
        format!("owner={}\n", if unfinished { "unfinished" } else { "present" })
    });
    let rows = format!("schema={schema}\nroles={roles}\nactor={actor}\napplication={application}\n");
    Reply::read(format!("{rows}administrators={administrators}\n{state}"))
}

/// Its custom format begins so.
const DUMP: &str = "PGDMP";
const ACCOUNTS: &str = "4711; 0 16385 TABLE DATA public accounts mastodon\n";

pub(super) fn pg_dump(machine: &Machine) -> Reply {
    let tables = machine.docker.tables.is_some() && !machine.docker.dumps_nothing;
    Reply::changed(format!("{DUMP}{}", if tables { ACCOUNTS } else { "" }))
}

pub(super) fn pg_restore(machine: &Machine, cmd: &Cmd, option: &str) -> Reply {
    let Stdin::File(path) = &cmd.stdin else { return Reply::changed("").status(1, "input file is too short (read 0, expected 5)") };
    match machine.text(path).strip_prefix(DUMP) {
        Some(listed) if option == "--list" => Reply::changed(listed),
        Some(_) => Reply::changed(""),
        None => Reply::changed("").status(1, "input file does not appear to be a valid archive"),
    }
}

/// One-off commands of the service web.
pub(super) fn run(machine: &mut Machine, cmd: &Cmd, words: &[&str]) -> Option<Reply> {
    if !machine.service_runs("db") || !machine.service_runs("redis") {
        return Some(Reply::changed("").status(1, "could not translate host name \"db\" to address"));
    }
    match words {
        ["--entrypoint", "grep", "web", "-m1", "-o", "version: [0-9_]*", "db/schema.rb"] => {
            Some(Reply::changed("version: 2026_08_18_093000\n"))
        }
        ["web", "bundle", "exec", "rails", "db:prepare"] => {
            match &mut machine.docker.tables {
                Some(tables) => tables.schema = SCHEMA,
                none => *none = Some(Tables::seeded()),
            }
            Some(Reply::changed(""))
        }
        ["web", "bundle", "exec", "rails", "db:seed"] => {
            let tables = machine.docker.tables.as_mut()?;
            (tables.roles, tables.actor, tables.application) = (tables.roles.max(1), true, true);
            Some(Reply::changed(""))
        }
        [options @ .., "web", "bundle", "exec", "rails", "runner", "-"] => owner(machine, cmd, options),
        _ => None,
    }
}

/// What stands before the script.
#[derive(Deserialize)]
struct Given {
    create: bool,
    owner: String,
    email: String,
    password: String,
    settings: BTreeMap<String, Value>,
}

/// Mastodon's own command line.
pub(super) fn tootctl(machine: &mut Machine, words: &[&str]) -> Option<Reply> {
    let ["accounts", "modify", name, "--reset-password"] = words else { return None };
    let Some(user) = machine.docker.tables.as_mut()?.users.get_mut(&name.to_lowercase()) else {
        return Some(Reply::changed("").status(1, "No user with such username"));
    };
    user.password = format!("{:032x}", user.email.len());
    Some(Reply::changed(format!("OK\nNew password: {}\n", user.password)))
}

/// The values before one of our scripts.
fn given<T: DeserializeOwned>(cmd: &Cmd, script: &str) -> Option<T> {
    let program = cmd.text()?.expose_secret().strip_suffix(script)?;
    let given = program.strip_prefix("TOOTSTRAP_GIVEN = <<'END_OF_VALUES'\n")?.strip_suffix("\nEND_OF_VALUES\n")?;
    serde_json::from_str(given).ok().filter(|_| !given.contains('\n'))
}

/// What stands before `assets/mastodon/test_message.rb`, which finds out what is prepared.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Message {
    to: String,
    #[serde(rename = "subject")]
    _subject: String,
    #[serde(rename = "body")]
    _body: String,
}

pub(super) fn test_message(machine: &Machine, cmd: &Cmd) -> Option<Reply> {
    let Message { to, .. } = given(cmd, TEST_MESSAGE_SCRIPT)?;
    to.contains('@').then(|| Reply::changed(format!("\ntootstrap-mail: {}\n", machine.docker.test_message)))
}

/// `assets/mastodon/owner.rb`.
fn owner(machine: &mut Machine, cmd: &Cmd, options: &[&str]) -> Option<Reply> {
    let Given { create, owner: name, email, password, settings } = given(cmd, OWNER_SCRIPT)?;
    let domain = email.rsplit_once('@')?.1;
    let unreachable =
        machine.docker.unreachable_mail.contains(domain) && !options.contains(&format!("EMAIL_DOMAIN_ALLOWLIST={domain}").as_str());
    let tables = machine.docker.tables.as_mut()?;
    let told = match tables.users.get_mut(&name.to_lowercase()) {
        Some(user) => {
            user.finished |= user.administrator;
            "present"
        }
        None if !create => "somebody else",
        None if unreachable => return Some(told(&json!({"errors": [["email", "unreachable"]]}))),
        None => {
            tables.users.insert(name.to_lowercase(), FakeUser { email, password, finished: true, administrator: true });
            "created"
        }
    };
    for (name, value) in settings {
        tables.settings.entry(name).or_insert(value);
    }
    Some(told_line(told))
}

fn told_line(owner: &str) -> Reply {
    told(&json!({"owner": owner, "seeded": []}))
}

fn told(result: &Value) -> Reply {
    Reply::changed(format!("I, [2026-11-23] INFO -- : Enqueued BootstrapTimelineWorker\n\ntootstrap-owner: {result}\n"))
}
