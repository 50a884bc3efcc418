//! Which permissions open which resource of Graph, least first.
//!
//! A user's token is held against `delegated` (the `scp` claim), an app-only token against
//! `application` (the `roles` claim). The same name means different things in the two lists:
//! `Mail.Read` as a role opens every mailbox.

/// The permissions that one resource accepts.
#[derive(Debug)]
pub struct Accepts {
    pub delegated: &'static [&'static str],
    pub application: &'static [&'static str],
}

/// One's own profile.
pub const OWN_PROFILE: Accepts = Accepts {
    delegated: &[
        "User.Read",
        "User.ReadWrite",
        "User.ReadBasic.All",
        "User.Read.All",
        "User.ReadWrite.All",
        "Directory.Read.All",
        "Directory.ReadWrite.All",
    ],
    application: PEOPLE.application,
};

/// Everybody's profile.
pub const PEOPLE: Accepts = Accepts {
    delegated: &[
        "User.ReadBasic.All",
        "User.Read.All",
        "User.ReadWrite.All",
        "Directory.Read.All",
        "Directory.ReadWrite.All",
    ],
    application: &[
        "User.ReadBasic.All",
        "User.Read.All",
        "User.ReadWrite.All",
        "Directory.Read.All",
        "Directory.ReadWrite.All",
    ],
};

/// Those of `PEOPLE` that show the whole profile; `User.ReadBasic.All` shows name and addresses only.
pub const PEOPLE_IN_FULL: Accepts = Accepts { delegated: FULL, application: FULL };

const FULL: &[&str] =
    &["User.Read.All", "User.ReadWrite.All", "Directory.Read.All", "Directory.ReadWrite.All"];

/// Mail: one's own with a user, any with a role.
pub const MAIL: Accepts = Accepts {
    delegated: &["Mail.ReadBasic", "Mail.Read", "Mail.ReadWrite"],
    application: &["Mail.ReadBasic.All", "Mail.Read", "Mail.ReadWrite"],
};

/// Those of `MAIL` that also show what stands in a message.
pub const MAIL_IN_FULL: Accepts =
    Accepts { delegated: &["Mail.Read", "Mail.ReadWrite"], application: &["Mail.Read", "Mail.ReadWrite"] };

/// One's own photo.
pub const OWN_PHOTO: Accepts = Accepts {
    delegated: &[
        "User.Read",
        "ProfilePhoto.Read.All",
        "User.ReadBasic.All",
        "User.Read.All",
        "User.ReadWrite",
        "User.ReadWrite.All",
    ],
    application: PHOTOS.application,
};

/// Everybody's photo.
pub const PHOTOS: Accepts = Accepts {
    delegated: &["ProfilePhoto.Read.All", "User.ReadBasic.All", "User.Read.All", "User.ReadWrite.All"],
    application: &["ProfilePhoto.Read.All", "User.Read.All", "User.ReadWrite.All"],
};

/// Groups, and who is in them.
pub const GROUPS: Accepts = Accepts { delegated: GROUP_READERS, application: GROUP_READERS };

const GROUP_READERS: &[&str] = &[
    "GroupMember.Read.All",
    "Group.Read.All",
    "Group.ReadWrite.All",
    "Directory.Read.All",
    "Directory.ReadWrite.All",
];

/// One's own groups: the profile is enough.
pub const OWN_GROUPS: Accepts = OWN_PROFILE;

/// Ending sessions.
pub const SESSIONS: Accepts = Accepts { delegated: SESSION_WRITERS, application: SESSION_WRITERS };

const SESSION_WRITERS: &[&str] =
    &["User.RevokeSessions.All", "User.ReadWrite.All", "Directory.ReadWrite.All"];

/// The organisation itself.
pub const ORGANIZATION: Accepts = Accepts {
    delegated: &["User.Read", "Organization.Read.All", "Directory.Read.All", "Directory.ReadWrite.All"],
    application: &["Organization.Read.All", "Directory.Read.All", "Directory.ReadWrite.All"],
};

/// Registrations, for reading.
pub const REGISTRATIONS: Accepts =
    Accepts { delegated: REGISTRATION_READERS, application: REGISTRATION_READERS };

const REGISTRATION_READERS: &[&str] =
    &["Application.Read.All", "Application.ReadWrite.All", "Directory.Read.All", "Directory.ReadWrite.All"];

/// Registrations, for writing.
pub const REGISTRATIONS_WRITE: Accepts =
    Accepts { delegated: &["Application.ReadWrite.All"], application: &["Application.ReadWrite.All"] };

/// App roles for applications, for writing.
pub const ROLE_ASSIGNMENTS_WRITE: Accepts = Accepts {
    delegated: &["AppRoleAssignment.ReadWrite.All"],
    application: &["AppRoleAssignment.ReadWrite.All"],
};

/// Consent, for reading.
pub const GRANTS: Accepts = Accepts { delegated: GRANT_READERS, application: GRANT_READERS };

const GRANT_READERS: &[&str] = &[
    "DelegatedPermissionGrant.Read.All",
    "DelegatedPermissionGrant.ReadWrite.All",
    "Directory.Read.All",
    "Directory.ReadWrite.All",
];

/// Consent, for writing.
pub const GRANTS_WRITE: Accepts = Accepts {
    delegated: &["DelegatedPermissionGrant.ReadWrite.All"],
    application: &["DelegatedPermissionGrant.ReadWrite.All"],
};
