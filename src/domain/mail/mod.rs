//! Types for mails: kinds, sender, return path, and delivery reports of mail servers and providers.

pub mod kind;
pub mod notification;
pub mod report;
pub mod return_path;
pub mod sender;
pub mod sendgrid_key;
pub mod sns_topic;
