//! What is said of mails: kinds, senders, reports of providers.

pub mod kind;
pub mod notification;
pub mod report;
pub mod return_path;
pub mod sender;
pub mod sendgrid_key;
pub mod sns_topic;
