//! Commands for a cluster: those whose keys lie in the same slot go to their node together and in order, all nodes at once.
//!
//! A slot that moves answers MOVED or ASK. Such a command is sent again by itself, where the library finds the way; all our
//! commands may be sent twice.

use deadpool_redis::redis::aio::ConnectionLike;
use deadpool_redis::redis::cluster_async::ClusterConnection;
use deadpool_redis::redis::cluster_routing::{Route, SingleNodeRoutingInfo, Slot, SlotAddr};
use deadpool_redis::redis::{Arg, Cmd, ErrorKind, Pipeline, RedisError, ServerErrorKind, Value};
use futures_util::future::try_join_all;

/// Commands for one node, with their places in the whole.
struct Group<'a> {
    slot: Option<Slot>,
    commands: Vec<(usize, &'a Cmd)>,
}

pub(super) async fn run(
    connection: &ClusterConnection,
    commands: &Pipeline,
) -> Result<Vec<Value>, RedisError> {
    let groups = grouped(commands);
    let answered = try_join_all(groups.iter().map(|group| send(connection.clone(), group))).await?;
    let mut answers = vec![Value::Nil; commands.len()];
    for (group, values) in groups.iter().zip(answered) {
        for ((place, _), value) in group.commands.iter().zip(values) {
            answers[*place] = value;
        }
    }
    Ok(answers)
}

async fn send(mut connection: ClusterConnection, group: &Group<'_>) -> Result<Vec<Value>, RedisError> {
    let mut pipeline = Pipeline::with_capacity(group.commands.len());
    for (_, command) in &group.commands {
        pipeline.add_command((*command).clone());
    }
    let route = match group.slot {
        Some(slot) => SingleNodeRoutingInfo::SpecificNode(Route::with_slot(slot, SlotAddr::Master)),
        None => SingleNodeRoutingInfo::RandomPrimary,
    };
    let mut answers = connection.route_pipeline(pipeline, 0, group.commands.len(), route).await?;
    for ((_, command), answer) in group.commands.iter().zip(&mut answers) {
        if moved(answer) {
            *answer = connection.req_packed_command(command).await?;
        }
    }
    Ok(answers)
}

fn grouped(commands: &Pipeline) -> Vec<Group<'_>> {
    let mut groups: Vec<Group<'_>> = Vec::new();
    let mut last = 0;
    for (place, command) in commands.cmd_iter().enumerate() {
        let slot = key(command).map(Slot::for_key);
        // A command without a key, such as the notice of a change, follows the one that it is about.
        let group = match slot {
            None if !groups.is_empty() => last,
            _ => groups.iter().position(|group| group.slot == slot).unwrap_or(groups.len()),
        };
        if group == groups.len() {
            groups.push(Group { slot, commands: Vec::new() });
        }
        groups[group].commands.push((place, command));
        last = group;
    }
    groups
}

/// The key of one of our commands. Each has one at most.
fn key(command: &Cmd) -> Option<&[u8]> {
    let mut words = command.args_iter().filter_map(|word| match word {
        Arg::Simple(word) => Some(word),
        _ => None,
    });
    match words.next()? {
        b"PUBLISH" | b"PING" => None,
        b"EVAL" => words.nth(2),
        _ => words.next(),
    }
}

fn moved(answer: &Value) -> bool {
    let Value::ServerError(error) = answer else { return false };
    matches!(
        RedisError::from(error.clone()).kind(),
        ErrorKind::Server(ServerErrorKind::Moved | ServerErrorKind::Ask | ServerErrorKind::TryAgain)
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn commands_for_the_same_slot_stay_together_and_in_order() {
        let mut commands = Pipeline::new();
        commands.cmd("EVAL").arg("return 1").arg(1).arg("auth:x:p:{A}").arg("v");
        commands.cmd("PUBLISH").arg("auth:x:changes").arg("m");
        commands.cmd("EVAL").arg("return 1").arg(1).arg("auth:x:u:U").arg("v");
        commands.cmd("EVAL").arg("return 1").arg(1).arg("auth:x:l:{A}:L").arg("v");

        let places: Vec<Vec<usize>> = grouped(&commands)
            .iter()
            .map(|group| group.commands.iter().map(|(place, _)| *place).collect())
            .collect();

        assert_eq!(places, [vec![0, 1, 3], vec![2]]);
    }
}
