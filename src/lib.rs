//! tootstrap turns a bare Debian machine into a working Mastodon server, and keeps it one.
//!
//! Five stages, and the modules show them:
//!
//! 1. [`settings`]: what the operator wants,
//! 2. [`facts`] and [`secrets`]: what this machine is and what it keeps to itself,
//! 3. [`plan`]: which resources, in which order (pure),
//! 4. [`run`]: doing it: check, apply, check,
//! 5. [`report`]: telling it.
//!
//! [`doctor`] looks wider than the plan and knows the causes of trouble; [`mail`] tries a mail relay before it is used. [`cli`] is the door for people. [`resource`] holds the kinds of thing that a machine can have, [`host`] is the only door to the machine.

pub mod assets;
pub mod cli;
pub mod clock;
pub mod doctor;
pub mod facts;
pub mod host;
pub mod linode;
pub mod mail;
pub mod plan;
pub mod report;
pub mod resource;
pub mod resume;
pub mod run;
pub mod secrets;
pub mod settings;
pub mod sizing;
