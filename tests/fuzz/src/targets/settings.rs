//! Settings from every source. What is accepted can be written in every format, and is accepted again when it is read from there.

use std::cell::OnceCell;
use std::path::Path;

use secrecy::{ExposeSecret, SecretString};
use tootstrap::facts::{Facts, Release};
use tootstrap::plan::Inputs;
use tootstrap::secrets::Secrets;
use tootstrap::settings::{Accepted, Handover, Options, RECORDED, SecretEnv, Settings, gather, record, resolve};

use super::super::formats;
use super::super::machine::Machine;
use super::super::wait;

const FILE: &str = "/root/settings.toml";
const SECRETS: &str = "/etc/tootstrap/secrets.toml";

const SLOTS: [&str; 19] = [
    "form",
    "file /root/settings.toml",
    "file /etc/tootstrap/settings.toml",
    "file /etc/tootstrap/answers.toml",
    "file /etc/tootstrap/secrets.toml",
    "token",
    "password",
    "dns",
    "accounts",
    "run docker ps",
    "http http://",
    "run ip -j -4",
    "run ip -j -6",
    "list /etc/nginx/sites-enabled",
    "file /etc/nginx/sites-enabled/",
    "http https://",
    "without",
    "reachable",
    "file /root/key.asc",
];

pub fn run(data: &[u8]) {
    let machine = Machine::new(data, &SLOTS);
    let secret = |slot: &str| machine.part(slot).map(|_| SecretString::from(machine.text(slot)));
    let env = SecretEnv { token: secret("token"), smtp_password: secret("password") };
    let file = machine.part("file /root/settings.toml").map(|_| Path::new(FILE));
    let Some(settings) = accepted(form(&machine.text("form")), &env, file, &machine) else { return };
    let text = record(&settings);
    handed_over(&settings, &text);

    let mut inputs = inputs();
    if let Some(name) = &settings.sudo_user {
        inputs.secrets.add_sudo_user(name).expect("random bytes");
    }
    inputs.settings = settings.clone();
    formats::hold(&inputs);

    let again = Machine::new(data, &SLOTS);
    again.place(RECORDED, text.as_bytes());
    again.place(SECRETS, b"version = 1\n[generated]\n");
    let smtp_password = settings.smtp.as_ref().map(|smtp| smtp.password.clone());
    let env = SecretEnv { token: env.token, smtp_password };
    let repeated = accepted(Options::default(), &env, None, &again).expect("accepted once, refused when it came from the record");
    assert_eq!(record(&repeated), text);
}

fn accepted(options: Options, env: &SecretEnv, file: Option<&Path>, machine: &Machine) -> Option<Settings> {
    let given = wait(gather(options, env.clone(), file, machine)).ok()?;
    match wait(resolve(&given, &inputs().facts, machine)) {
        Ok(Accepted { settings, .. }) => Some(settings),
        Err(refusal) => {
            assert!(!refusal.to_string().is_empty());
            let command = refusal.next_command().unwrap_or_default();
            assert!(!command.contains(char::is_control), "{command:?}");
            let kept = refusal.kept(given.options);
            let text = toml::to_string(&kept).expect("answers that can be kept");
            assert_eq!(toml::from_str::<Options>(&text).as_ref(), Ok(&kept), "{text}");
            None
        }
    }
}

/// What goes through the pipe to the process that does the work comes out the same.
fn handed_over(settings: &Settings, text: &str) {
    let pipe = Handover::new(settings, &inputs().facts, 4, Vec::new()).to_secret().expect("JSON");
    let there = Handover::read(pipe.expose_secret()).and_then(Handover::settings).expect("what was handed over");
    let secrets = |of: &Settings| {
        let token = of.token.as_ref().map(|token| token.secret().expose_secret().to_owned());
        (token, of.smtp.as_ref().map(|smtp| smtp.password.expose_secret().to_owned()), of.replace_dns)
    };
    assert_eq!((record(&there).as_str(), secrets(&there)), (text, secrets(settings)));
}

/// A line a field of the form, then the flags; `\n`, `\r` and `\0` are such characters. No line: not given.
fn form(text: &str) -> Options {
    let mut lines = text.split('\n').map(|line| line.replace("\\n", "\n").replace("\\r", "\r").replace("\\0", "\0"));
    let mut options = Options::default();
    let address = lines.next();
    for field in [
        &mut options.domain,
        &mut options.subdomain,
        &mut options.email,
        &mut options.owner,
        &mut options.owner_email,
        &mut options.single_user,
        &mut options.sudo_user,
        &mut options.disable_root,
        &mut options.registrations,
        &mut options.handle_domain,
        &mut options.smtp.server,
        &mut options.smtp.port,
        &mut options.smtp.login,
        &mut options.smtp.from,
        &mut options.images.mastodon_version,
        &mut options.images.mastodon,
        &mut options.images.caddy,
        &mut options.docker_repository.url,
        &mut options.docker_repository.key_file,
        &mut options.docker_repository.fingerprint,
    ] {
        *field = lines.next().filter(|line| line != "-");
    }
    options.address.extend(address);
    options
}

/// A whole set of inputs.
pub fn inputs() -> Inputs {
    thread_local! {
        static INPUTS: OnceCell<Inputs> = const { OnceCell::new() };
    }
    INPUTS.with(|inputs| inputs.get_or_init(sample).clone())
}

fn sample() -> Inputs {
    let facts = Facts {
        release: Release::Bullseye,
        architecture: "amd64".into(),
        memory: 2 << 30,
        cpus: 1,
        linode: true,
        ssh_ports: vec![22],
        foreign_docker: false,
        docker_packages: vec!["docker-ce".into()],
        foreign_firewall: None,
    };
    let text = "version = 1\ndomain = 'fedi-test.org'\nemail = 'a@fedi-test.org'\nowner = 'alice'\nsudo_user = 'alice'\n\
                address = ['203.0.113.10']\n[smtp]\nserver = 'mail.fedi-test.org'\nlogin = 'l'\nfrom = 'a@fedi-test.org'\n";
    let machine = Machine::new(
        b"\n%%\n* x\nan fedi-test.org A 203.0.113.10\nan fedi-test.org MX 10 fedi-test.org\n\n%%\ndocker",
        &["empty", "dns", "without"],
    );
    let env = SecretEnv { token: None, smtp_password: Some("password".into()) };
    let given = wait(gather(toml::from_str(text).expect("settings"), env, None, &machine)).expect("settings");
    let settings = match wait(resolve(&given, &facts, &machine)) {
        Ok(accepted) => accepted.settings,
        Err(refusal) => panic!("the sample is refused: {refusal}"),
    };
    let mut secrets = Secrets::generate().expect("random bytes");
    secrets.add_sudo_user(settings.sudo_user.as_ref().expect("a sudo user")).expect("random bytes");
    Inputs { settings, facts, secrets }
}
