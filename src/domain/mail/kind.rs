//! Why a mail is sent.

/// What a mail is about: which texts it has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MailKind {
    /// Invites, for the app or for a user of the tenant that the invited user joins.
    Invite,
    /// Invites for a user who recommends the app.
    Referral,
    /// Asks whether a new address is its user's.
    Confirmation,
    /// Tells a former address that it is no longer its user's.
    Notice,
    /// Tells who has an address that another user asked for it.
    Taken,
}

impl MailKind {
    /// All of them.
    pub const ALL: [Self; 5] = [Self::Invite, Self::Referral, Self::Confirmation, Self::Notice, Self::Taken];

    /// In a word, as the outbox has it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Invite => "invite",
            Self::Referral => "referral",
            Self::Confirmation => "confirmation",
            Self::Notice => "notice",
            Self::Taken => "taken",
        }
    }

    /// Whether the mail has a link to a page.
    #[must_use]
    pub fn has_link(self) -> bool {
        !matches!(self, Self::Notice | Self::Taken)
    }

    /// Exactly such a word, else none.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.as_str() == text)
    }
}
