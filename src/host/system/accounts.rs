//! Accounts. One by name comes from the C library; listing all of them that way is not safe for threads, so the files are read.

use users::os::unix::UserExt;

use super::super::Account;

/// An account by name.
pub(super) fn by_name(name: &str) -> Option<Account> {
    let user = users::get_user_by_name(name)?;
    let groups = user.groups().unwrap_or_default();
    let mut groups: Vec<_> = groups.iter().map(|group| group.name().to_string_lossy().into_owned()).collect();
    groups.sort();
    Some(Account {
        name: user.name().to_string_lossy().into_owned(),
        uid: user.uid(),
        gid: user.primary_group_id(),
        home: user.home_dir().to_owned(),
        shell: user.shell().to_owned(),
        groups,
    })
}

/// Every account of these two files; lines that are not entries are passed over, as the C library does.
pub(super) fn all(passwd: &str, group: &str) -> Vec<Account> {
    let groups: Vec<Group> = group.lines().filter_map(Group::parse).collect();
    passwd.lines().filter_map(|line| account(line, &groups)).collect()
}

struct Group<'a> {
    name: &'a str,
    gid: u32,
    members: Vec<&'a str>,
}

impl<'a> Group<'a> {
    fn parse(line: &'a str) -> Option<Self> {
        let fields: Vec<_> = line.split(':').collect();
        let [name, _, gid, members] = fields.as_slice() else { return None };
        Some(Self { name, gid: gid.parse().ok()?, members: members.split(',').map(str::trim).collect() })
    }
}

fn account(line: &str, groups: &[Group]) -> Option<Account> {
    let fields: Vec<_> = line.split(':').collect();
    let [name, _, uid, gid, _, home, shell] = fields.as_slice() else { return None };
    let gid = gid.parse().ok()?;
    let mine = groups.iter().filter(|group| group.gid == gid || group.members.contains(name));
    let mut groups: Vec<_> = mine.map(|group| group.name.to_owned()).collect();
    groups.sort();
    Some(Account { name: (*name).into(), uid: uid.parse().ok()?, gid, home: home.into(), shell: shell.into(), groups })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_ways_know_root() {
        let passwd = std::fs::read_to_string("/etc/passwd").unwrap();
        let group = std::fs::read_to_string("/etc/group").unwrap();
        let root = all(&passwd, &group).into_iter().find(|account| account.name == "root").unwrap();
        assert_eq!(by_name("root").unwrap(), root);
        assert_eq!(by_name("no-such-account"), None);
    }

    #[test]
    fn a_member_has_the_groups_that_name_it() {
        let passwd = "# comment\nalice:x:1000:1000:Alice,,,:/home/alice:/bin/bash\nbroken:x:no:1:::\n";
        let group = "alice:x:1000:\nsudo:x:27:bob,alice\nadm:x:4:bob\n";
        let found = all(passwd, group);
        assert_eq!(found.len(), 1);
        assert_eq!(found[0].groups, ["alice", "sudo"]);
    }
}
