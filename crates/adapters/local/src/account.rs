//! The user that a replica runs as: looked up in `/etc/passwd` and `/etc/group`, by name or number.
//!
//! Accounts of a directory service are found by number only: asking them would need the C
//! library's resolver, and the replica would start no sooner than that answers.

use rustix::process::{Gid, Uid};
use std::fs;

/// A user, with the groups that a login would give.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Account {
    pub(crate) uid: Uid,
    pub(crate) gid: Gid,
    pub(crate) groups: Vec<Gid>,
    /// Name and home folder, when the account is listed.
    pub(crate) login: Option<(String, String)>,
}

/// Why a replica cannot run as a user.
#[derive(Debug, thiserror::Error)]
pub(crate) enum AccountError {
    /// Nobody has that name.
    #[error("there is no user `{0}` in /etc/passwd: correct `user`, or give its number")]
    Unknown(String),
    /// Only root may become somebody else.
    #[error("running as user `{0}` needs root: start Sluice as root, or remove `user`")]
    NeedsRoot(String),
    /// The list of users cannot be read.
    #[error("cannot read {path} to look up user `{user}`: {source}")]
    Unreadable {
        /// Who was looked up.
        user: String,
        /// Where.
        path: &'static str,
        /// Why it failed.
        source: std::io::Error,
    },
}

/// Looks up who `user` is. `None` when this process already is that user and need not switch.
pub(crate) fn lookup(user: &str) -> Result<Option<Account>, AccountError> {
    let read = |path: &'static str| {
        fs::read_to_string(path).map_err(|source| AccountError::Unreadable {
            user: user.to_owned(),
            path,
            source,
        })
    };
    let passwd = read("/etc/passwd")?;
    let group = read("/etc/group")?;
    let account =
        find(user, &passwd, &group).ok_or_else(|| AccountError::Unknown(user.to_owned()))?;
    if rustix::process::geteuid().is_root() {
        Ok(Some(account))
    } else if account.uid == rustix::process::geteuid() {
        Ok(None)
    } else {
        Err(AccountError::NeedsRoot(user.to_owned()))
    }
}

fn find(user: &str, passwd: &str, group: &str) -> Option<Account> {
    let number = user.parse::<u32>().ok();
    let listed = passwd.lines().find_map(|line| {
        let fields: Vec<&str> = line.split(':').collect();
        let [name, _, uid, gid, _, home, ..] = fields.as_slice() else {
            return None;
        };
        let (uid, gid) = (uid.parse::<u32>().ok()?, gid.parse::<u32>().ok()?);
        (*name == user || number == Some(uid))
            .then(|| (uid, gid, (*name).to_owned(), (*home).to_owned()))
    });
    // The kernel reads the highest number as "leave it as it is".
    let valid = |id: u32| (id != u32::MAX).then_some(id);
    let Some((uid, gid, name, home)) = listed else {
        let id = valid(number?)?;
        let gid = Gid::from_raw(id);
        return Some(Account {
            uid: Uid::from_raw(id),
            gid,
            groups: vec![gid],
            login: None,
        });
    };
    let gid = Gid::from_raw(valid(gid)?);
    let mut groups = vec![gid];
    for line in group.lines() {
        let fields: Vec<&str> = line.split(':').collect();
        let [_, _, id, members] = fields.as_slice() else {
            continue;
        };
        if let (true, Ok(id)) = (
            members.split(',').any(|member| member == name),
            id.parse::<u32>(),
        ) && let Some(id) = valid(id)
        {
            let id = Gid::from_raw(id);
            if !groups.contains(&id) {
                groups.push(id);
            }
        }
    }
    Some(Account {
        uid: Uid::from_raw(valid(uid)?),
        gid,
        groups,
        login: Some((name, home)),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const PASSWD: &str =
        "root:x:0:0:root:/root:/bin/sh\nshop:x:1001:1002:Shop:/srv/shop:/bin/false\nbroken\n";
    const GROUP: &str = "root:x:0:\nshop:x:1002:\ntls:x:77:web,shop\nadm:x:4:web\n";

    #[test]
    fn a_user_is_found_by_name_and_by_number() {
        let by_name = find("shop", PASSWD, GROUP).expect("shop is listed");
        assert_eq!(find("1001", PASSWD, GROUP), Some(by_name.clone()));
        assert_eq!(by_name.gid, Gid::from_raw(1002));
        assert_eq!(by_name.groups, vec![Gid::from_raw(1002), Gid::from_raw(77)]);
        assert_eq!(
            by_name.login,
            Some(("shop".to_owned(), "/srv/shop".to_owned()))
        );
    }

    #[test]
    fn an_unlisted_number_is_a_user_of_its_own_and_an_unlisted_name_is_nobody() {
        let number = find("4000", PASSWD, GROUP).expect("a number needs no entry");
        assert_eq!((number.uid, number.login), (Uid::from_raw(4000), None));
        for user in ["nobody-here", "", "4294967295", "-1"] {
            assert_eq!(find(user, PASSWD, GROUP), None, "{user}");
        }
    }
}
