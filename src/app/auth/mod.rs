//! Who acts: the one place that knows. A key proves a caller or an administrator; nothing else does but the command line.

mod failures;
mod known;
mod prove;

use std::net::IpAddr;

use uuid::Uuid;

use super::AppError;
use crate::domain::api_key::Binding;
use crate::domain::audit_log::Actor;
use crate::domain::ids::{ApiKeyId, MerchantId};
use crate::domain::scope::Scope;

pub use known::Keys;
pub use prove::{authenticate, fail};

/// Who is written down where a person acted at the command line.
const CLI: &str = "cli";

/// A program of a merchant's that proved itself with an API key.
#[derive(Clone, Debug)]
pub struct Caller {
    /// Whose program it is. Everything it does stays within that merchant.
    pub merchant_id: MerchantId,
    /// Its key: the principal that idempotency keys belong to.
    pub key_id: ApiKeyId,
    /// Whether it moves real money. Test and live never meet.
    pub live: bool,
    /// What it may do.
    pub scopes: Vec<Scope>,
    /// The Odoo that its key was connected from, where it was.
    pub binding: Option<Binding>,
    /// Where it calls from.
    pub address: IpAddr,
    /// The request in which it does, as its answer names it.
    pub request_id: Option<String>,
}

impl Caller {
    /// The caller as an operator: its route let in none but those with the scope for it.
    #[must_use]
    pub fn operator(&self) -> Operator {
        Operator {
            merchant_id: self.merchant_id,
            live: self.live,
            name: self.key_id.to_string(),
            address: Some(self.address),
            request_id: self.request_id.clone(),
        }
    }

    /// Who is written down in the audit log.
    pub(super) fn actor(&self) -> Actor {
        Actor {
            name: self.key_id.to_string(),
            address: Some(self.address),
            request_id: self.request_id.clone(),
        }
    }
}

/// Which database of Odoo's a request says that it comes from.
#[derive(Clone, Copy, Debug)]
pub enum NamedDatabase<'a> {
    /// It does not say.
    Unnamed,
    /// This one.
    Named(&'a str),
    /// It says several, or what is no text.
    Unreadable,
}

/// Whoever proved itself with a key.
#[derive(Clone, Debug)]
pub enum Principal {
    /// A program of one merchant's.
    Caller(Caller),
    /// An operator, of no merchant.
    Administrator(Administrator),
}

impl Principal {
    /// Whether its key may do it. An operator's key may set up and nothing else: it moves no money and looks at none.
    ///
    /// # Errors
    /// [`AppError::ScopeMissing`].
    pub fn check(&self, scope: Scope) -> Result<(), AppError> {
        let may = match self {
            Self::Caller(caller) => caller.scopes.contains(&scope),
            Self::Administrator(_) => scope == Scope::Admin,
        };
        if may {
            Ok(())
        } else {
            Err(AppError::ScopeMissing(scope))
        }
    }

    /// Whether its key may be used from the database that the request names. A copy of a database has the original's key, and must not
    /// take money with it: what changes something must say where it comes from.
    ///
    /// # Errors
    /// [`AppError::DatabaseMismatch`]; [`AppError::DatabaseMissing`] where it names none and is not one that `looks`.
    pub fn check_database(&self, named: NamedDatabase<'_>, looks: bool) -> Result<(), AppError> {
        let binding = match self {
            Self::Caller(caller) => caller.binding.as_ref(),
            Self::Administrator(_) => None,
        };
        match (binding, named) {
            (None, _) => Ok(()),
            (Some(_), NamedDatabase::Unnamed) if looks => Ok(()),
            (Some(_), NamedDatabase::Unnamed) => Err(AppError::DatabaseMissing),
            (Some(bound), NamedDatabase::Named(name)) if bound.database == name => Ok(()),
            (Some(_), NamedDatabase::Named(_) | NamedDatabase::Unreadable) => Err(AppError::DatabaseMismatch),
        }
    }

    /// Who sets up, where its key may.
    ///
    /// # Errors
    /// [`AppError::ScopeMissing`].
    pub fn administrator(self) -> Result<Administrator, AppError> {
        self.check(Scope::Admin)?;
        Ok(match self {
            Self::Caller(caller) => Administrator {
                reach: Reach::One {
                    merchant_id: caller.merchant_id,
                    live: caller.live,
                },
                principal: caller.key_id.uuid(),
                name: caller.key_id.to_string(),
                address: Some(caller.address),
                request_id: caller.request_id,
            },
            Self::Administrator(administrator) => administrator,
        })
    }

    /// The same in a request, which is written down with what it does.
    #[must_use]
    pub fn in_request(mut self, id: &str) -> Self {
        let (Self::Caller(Caller { request_id, .. }) | Self::Administrator(Administrator { request_id, .. })) =
            &mut self;
        *request_id = Some(id.to_owned());
        self
    }
}

/// What an administrator may set up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Reach {
    /// Any merchant.
    All,
    /// One merchant; of what is of one mode, that of the key's.
    One { merchant_id: MerchantId, live: bool },
}

/// Somebody who sets up merchants, their accounts, Odoo instances and keys. There is no way to one but a key with the scope
/// `admin`, an operator's key, or the command line.
#[derive(Clone, Debug)]
pub struct Administrator {
    reach: Reach,
    /// Who idempotency keys belong to.
    pub(super) principal: Uuid,
    name: String,
    address: Option<IpAddr>,
    request_id: Option<String>,
}

impl Administrator {
    /// Whoever may run commands on this machine.
    #[must_use]
    pub fn at_the_command_line() -> Self {
        Self {
            reach: Reach::All,
            principal: Uuid::nil(),
            name: CLI.to_owned(),
            address: None,
            request_id: None,
        }
    }

    /// The administrator at work on one merchant.
    ///
    /// # Errors
    /// [`AppError::NotFound`] where it is another's.
    pub fn over(&self, merchant: MerchantId) -> Result<Administered, AppError> {
        let live = match self.reach {
            Reach::All => None,
            Reach::One { merchant_id, live } if merchant_id == merchant => Some(live),
            Reach::One { .. } => return Err(AppError::NotFound("merchant")),
        };
        Ok(Administered {
            merchant_id: merchant,
            live,
            name: self.name.clone(),
            address: self.address,
            request_id: self.request_id.clone(),
        })
    }

    /// The one merchant that it may set up; none where it may set up any.
    #[must_use]
    pub const fn only(&self) -> Option<MerchantId> {
        match self.reach {
            Reach::All => None,
            Reach::One { merchant_id, .. } => Some(merchant_id),
        }
    }

    /// Checks that it may do what concerns more than one merchant, or is the operator's to decide.
    ///
    /// # Errors
    /// [`AppError::OperatorOnly`].
    pub fn check_operator(&self) -> Result<(), AppError> {
        match self.reach {
            Reach::All => Ok(()),
            Reach::One { .. } => Err(AppError::OperatorOnly),
        }
    }
}

/// An administrator at work on one merchant: what use cases of set-up take, so that none is begun on a merchant that nobody
/// gave it.
#[derive(Clone, Debug)]
pub struct Administered {
    pub(super) merchant_id: MerchantId,
    /// The mode that it is bound to, where it is.
    pub(super) live: Option<bool>,
    /// What is written down of who it is.
    name: String,
    address: Option<IpAddr>,
    request_id: Option<String>,
}

impl Administered {
    /// Whoever may run commands on this machine, at work on a merchant.
    #[must_use]
    pub fn at_the_command_line(merchant: MerchantId) -> Self {
        Self {
            merchant_id: merchant,
            live: None,
            name: CLI.to_owned(),
            address: None,
            request_id: None,
        }
    }

    /// Who is written down in the audit log.
    pub(super) fn actor(&self) -> Actor {
        Actor {
            name: self.name.clone(),
            address: self.address,
            request_id: self.request_id.clone(),
        }
    }

    /// Whether what is of that mode is within reach.
    pub(super) fn reaches(&self, live: bool) -> bool {
        self.live.is_none_or(|own| own == live)
    }
}

/// Somebody who looks after a merchant's events, messages and exceptions. There is no way to one but a key with the scope, or the command
/// line.
#[derive(Clone, Debug)]
pub struct Operator {
    pub(super) merchant_id: MerchantId,
    pub(super) live: bool,
    /// What is written down of who it was.
    pub(super) name: String,
    /// Where from; none at the command line.
    address: Option<IpAddr>,
    request_id: Option<String>,
}

impl Operator {
    /// Whoever may run commands on this machine.
    #[must_use]
    pub fn at_the_command_line(merchant: MerchantId, live: bool) -> Self {
        Self {
            merchant_id: merchant,
            live,
            name: CLI.to_owned(),
            address: None,
            request_id: None,
        }
    }
}

impl Operator {
    /// Who is written down in the audit log.
    pub(super) fn actor(&self) -> Actor {
        Actor {
            name: self.name.clone(),
            address: self.address,
            request_id: self.request_id.clone(),
        }
    }
}

/// Whose things are looked at, and of which mode.
#[derive(Clone, Copy, Debug)]
pub struct Whose {
    pub(super) merchant_id: MerchantId,
    pub(super) live: bool,
}

impl From<&Caller> for Whose {
    fn from(caller: &Caller) -> Self {
        Self {
            merchant_id: caller.merchant_id,
            live: caller.live,
        }
    }
}

impl From<&Operator> for Whose {
    fn from(operator: &Operator) -> Self {
        Self {
            merchant_id: operator.merchant_id,
            live: operator.live,
        }
    }
}
