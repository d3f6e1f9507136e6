//! Any text in the places where the operator's texts are written: it is refused, or the file says it.

use secrecy::SecretString;
use tootstrap::assets::Project;

use super::super::formats::say_the_same;
use super::super::machine::Machine;
use super::settings::inputs;

const SLOTS: [&str; 5] = ["login", "password", "from", "image", "contact"];

pub fn run(data: &[u8]) {
    let machine = Machine::new(data, &SLOTS);
    let mut inputs = inputs();
    let smtp = inputs.settings.smtp.as_mut().expect("the sample has a relay");
    smtp.login = machine.text("login");
    smtp.password = SecretString::from(machine.text("password"));
    smtp.from = machine.text("from");
    inputs.settings.images.postgres = machine.text("image");
    if let Ok(contact) = machine.text("contact").parse() {
        inputs.settings.contact = contact;
    }
    match Project::render(&inputs) {
        Ok(project) => say_the_same(&inputs, &project),
        Err(error) => assert!(!format!("{error:#}").is_empty()),
    }
}
