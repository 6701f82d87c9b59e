//! Operators: the people who may use the console.

use std::time::Duration;

use serde::Serialize;
use uuid::Uuid;

use super::id::AppId;

/// How long a sign-in link works.
pub const LINK_VALID: Duration = Duration::from_mins(15);

/// What an operator may do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Role {
    /// Read and write.
    Admin,
    /// Read.
    Viewer,
}

impl Role {
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Admin => "admin",
            Self::Viewer => "viewer",
        }
    }

    /// Parses exactly `admin` or `viewer`.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        [Self::Admin, Self::Viewer].into_iter().find(|role| role.as_str() == text)
    }
}

/// An operator, named as in the output of `userdocks operator list`.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Operator {
    pub id: Uuid,
    pub email: String,
    pub role: Role,
    /// The apps that they may see; `None`: all.
    pub apps: Option<Vec<Uuid>>,
    /// UTC, as all times here.
    pub created_at: String,
    pub signed_in_at: Option<String>,
    /// Since when they cannot sign in.
    pub disabled_at: Option<String>,
}

impl Operator {
    /// Whether they may see this app.
    #[must_use]
    pub fn sees(&self, app: AppId) -> bool {
        self.apps.as_ref().is_none_or(|apps| apps.contains(&app.0))
    }

    /// Whether they see all apps, and so what is of no app: other operators, new apps.
    #[must_use]
    pub fn sees_all(&self) -> bool {
        self.apps.is_none()
    }
}
