//! The kinds of mails.

/// The kind of a mail, which selects its texts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MailKind {
    /// Invite by the app, or by a user of the tenant that the invited user joins.
    Invite,
    /// Invite by a user who recommends the app.
    Referral,
    /// Asks the user to confirm a new address.
    Confirmation,
    /// Informs a former address that it no longer belongs to its user.
    Notice,
    /// Informs the owner of an address that another user requested it.
    Taken,
}

impl MailKind {
    pub const ALL: [Self; 5] = [Self::Invite, Self::Referral, Self::Confirmation, Self::Notice, Self::Taken];

    /// The name in the outbox.
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

    /// Parses a name of [`MailKind::as_str`].
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.as_str() == text)
    }
}
