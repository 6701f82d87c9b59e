//! The console: pages for operators, on a listener of their own. They are rendered on the server and work without
//! script. A screen is one file in `screens/`; it uses the functions of `db` and the parsers of `domain`, as the API.

pub mod document;
pub mod error;
pub mod form;
pub mod layout;
pub mod openid;
pub mod parts;
mod password_check;
mod router;
mod screens;
pub mod session;
mod settings_form;
pub mod state;

pub use router::router;
pub use state::{Console, ConsoleState};
