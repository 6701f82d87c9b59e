//! The pages behind the links of mails, and the mailbox of a trial.

pub mod email_confirmation;
pub mod invite;
pub mod mailbox;
pub mod opt_out;
pub mod render;
pub mod start;
