//! Generated groups: how many a user is in can be ordered, so that the overage of group claims can be shown.

use uuid::Uuid;

use crate::directory::{Directory, Group};

/// The user is in exactly the first `count` generated groups of the tenant. Those of the seed stay as they are.
pub fn be_in(directory: &mut Directory, tenant: Uuid, user: Uuid, count: u16) {
    let Some(tenant) = directory.tenants.iter_mut().find(|t| t.id == tenant) else { return };
    let space = tenant.id;
    let id = |number: u16| Uuid::new_v5(&space, format!("generated group {number}").as_bytes());
    let wanted: Vec<Uuid> = (1..=count).map(id).collect();
    for group in tenant.groups.iter_mut().filter(|g| g.name.starts_with(NAME)) {
        if wanted.contains(&group.id) {
            group.members.insert(user);
        } else {
            group.members.remove(&user);
        }
    }
    for (number, id) in (1..).zip(wanted) {
        if tenant.groups.iter().all(|g| g.id != id) {
            let name = format!("{NAME}{number:03}");
            let members = [user].into();
            tenant.groups.push(Group { id, name, description: None, members, member_groups: [].into() });
        }
    }
}

const NAME: &str = "Generated group ";
