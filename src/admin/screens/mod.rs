//! One file per screen: its pages, its forms, its changes.

pub mod account;
pub mod apps;
pub mod audit;
pub mod home;
pub mod invites;
pub mod keys;
pub mod link_mails;
pub mod mails;
pub mod openid;
pub mod operators;
pub mod passkeys;
pub mod passwords;
pub mod referrals;
pub mod sign_in;
pub mod users;
pub mod webhooks;
