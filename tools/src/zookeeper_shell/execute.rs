//! Does commands over a session and prints what they answer.

use std::collections::VecDeque;

use super::command::{Command, CommandError};
use super::date::java_date;
use super::session::{Acl, Failure, Session, Stat};
use crate::terminal::Terminal;

/// What a walk over a tree may hold in memory.
const MOST_NODES: usize = 10_000_000;

pub async fn run(session: &mut Session, command: Command, terminal: &mut Terminal) -> Result<(), CommandError> {
    let path = command.path().to_owned();
    let outcome = match command {
        Command::Ls { recursive: true, watch, .. } => return list_tree(session, &path, watch, terminal).await,
        Command::Ls { stat, watch, .. } => session.children(&path, watch).await.map(|(mut names, answer)| {
            names.sort_unstable();
            (format!("[{}]\n", names.join(", ")), stat.then_some(answer))
        }),
        Command::Get { stat, watch, .. } => session.get(&path, watch).await.map(|(data, answer)| {
            let text = data.map_or("null".to_owned(), |data| String::from_utf8_lossy(&data).into_owned());
            (format!("{text}\n"), stat.then_some(answer))
        }),
        Command::Stat { watch, .. } => session.exists(&path, watch).await.map(|answer| (String::new(), Some(answer))),
        Command::Create { data, acl, ephemeral, sequential, .. } => {
            let flags = i32::from(ephemeral) | i32::from(sequential) << 1;
            session.create(&path, data.as_deref().map(str::as_bytes), &acl, flags).await.map(|created| {
                terminal.warn(&format!("Created {created}"));
                (String::new(), None)
            })
        }
        Command::Set { data, version, stat, .. } => {
            let answer = session.set(&path, data.as_bytes(), version).await;
            answer.map(|answer| (String::new(), stat.then_some(answer)))
        }
        Command::Delete { version, .. } => session.delete(&path, version).await.map(|()| (String::new(), None)),
        Command::DeleteAll { batch, .. } => return delete_tree(session, &path, batch, terminal).await,
        Command::GetAcl { stat, .. } => session
            .acl(&path)
            .await
            .map(|(entries, answer)| (entries.iter().map(acl_text).collect(), stat.then_some(answer))),
        Command::Sync { .. } => session.sync(&path).await.map(|()| ("Sync is OK\n".to_owned(), None)),
        Command::PrintWatches(_) | Command::History | Command::Quit => Ok((String::new(), None)),
    };
    let (text, stat) = outcome.map_err(|failure| failure.at(&path))?;
    terminal.text(&text)?;
    if let Some(stat) = stat {
        terminal.text(&stat_text(&stat))?;
    }
    Ok(())
}

/// A node, then all children of a level, then those of each: `ZKUtil.visitSubTreeDFS`.
async fn list_tree(
    session: &mut Session,
    path: &str,
    watch: bool,
    terminal: &mut Terminal,
) -> Result<(), CommandError> {
    session.get(path, watch).await.map_err(|failure| failure.at(path))?;
    terminal.line(path)?;
    let mut open = vec![path.to_owned()];
    while let Some(node) = open.pop() {
        let mut names = match session.children(&node, watch).await {
            Ok((names, _)) => names,
            // Deleted since it was listed.
            Err(Failure::NO_NODE) => continue,
            Err(failure) => return Err(failure.at(&node)),
        };
        names.sort_unstable();
        let children: Vec<String> = names.iter().map(|name| join(&node, name)).collect();
        children.iter().try_for_each(|child| terminal.line(child))?;
        open.extend(children.into_iter().rev());
        bounded(open.len())?;
    }
    Ok(())
}

/// Leaves first, so many in one transaction (`ZKUtil.deleteRecursive`). A transaction that fails is told and is no
/// failure of the command, as in ZooKeeper.
async fn delete_tree(
    session: &mut Session,
    path: &str,
    batch: usize,
    terminal: &mut Terminal,
) -> Result<(), CommandError> {
    let mut tree = vec![path.to_owned()];
    let mut open = VecDeque::from(tree.clone());
    while let Some(node) = open.pop_front() {
        let (names, _) = session.children(&node, false).await.map_err(|failure| failure.at(&node))?;
        for name in names {
            let child = join(&node, &name);
            tree.push(child.clone());
            open.push_back(child);
        }
        bounded(tree.len())?;
    }
    tree.reverse();
    for nodes in tree.chunks(batch) {
        match session.delete_all(nodes).await {
            Ok(()) => {}
            Err(failure @ Failure::CONNECTION_LOSS) => return Err(failure.at(path)),
            Err(_) => {
                terminal.warn("Failed to delete some node(s) in the subtree!");
                break;
            }
        }
    }
    Ok(())
}

fn bounded(nodes: usize) -> Result<(), CommandError> {
    if nodes <= MOST_NODES {
        return Ok(());
    }
    Err(CommandError::Failed(format!("more than {MOST_NODES} nodes: take a smaller subtree")))
}

fn join(parent: &str, name: &str) -> String {
    if parent == "/" { format!("/{name}") } else { format!("{parent}/{name}") }
}

fn acl_text(acl: &Acl) -> String {
    // In the order of Java's text: create, delete, read, write, admin.
    let letters: String = [(4, 'c'), (8, 'd'), (1, 'r'), (2, 'w'), (16, 'a')]
        .iter()
        .filter(|(bit, _)| acl.permissions & bit != 0)
        .map(|(_, letter)| letter)
        .collect();
    format!("'{},'{}\n: {letters}\n", acl.scheme, acl.id)
}

fn stat_text(stat: &Stat) -> String {
    format!(
        "cZxid = {:#x}\nctime = {}\nmZxid = {:#x}\nmtime = {}\npZxid = {:#x}\ncversion = {}\ndataVersion = {}\n\
         aclVersion = {}\nephemeralOwner = {:#x}\ndataLength = {}\nnumChildren = {}\n",
        stat.czxid,
        java_date(stat.ctime),
        stat.mzxid,
        java_date(stat.mtime),
        stat.pzxid,
        stat.cversion,
        stat.version,
        stat.aversion,
        stat.ephemeral_owner,
        stat.data_length,
        stat.num_children,
    )
}
