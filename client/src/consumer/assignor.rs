//! The range assignor (`RangeAssignor`): of each topic, every member gets a stretch of partitions next to each other.
//! Pure; the group's leader runs it for all.

use std::collections::BTreeMap;

use zk_paths::ids::TopicPartition;

/// A member as its JoinGroup describes it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Member {
    pub id: String,
    /// Static members sort by this and keep their stretch over restarts.
    pub instance_id: Option<String>,
    pub topics: Vec<String>,
}

impl Member {
    /// Static members come first.
    fn order(&self) -> (bool, &str) {
        match &self.instance_id {
            Some(instance_id) => (false, instance_id),
            None => (true, &self.id),
        }
    }
}

/// Deals the partitions out: partitions by member id, every member included.
pub(super) fn range(members: &[Member], partitions: &BTreeMap<String, i32>) -> BTreeMap<String, Vec<TopicPartition>> {
    let mut members: Vec<&Member> = members.iter().collect();
    members.sort_by(|one, other| one.order().cmp(&other.order()));
    let mut dealt: BTreeMap<String, Vec<TopicPartition>> =
        members.iter().map(|member| (member.id.clone(), Vec::new())).collect();
    for (topic, count) in partitions {
        let takers: Vec<&Member> = members.iter().copied().filter(|member| member.topics.contains(topic)).collect();
        let takers_count = i32::try_from(takers.len()).unwrap_or(i32::MAX);
        let (Some(share), Some(extra)) = (count.checked_div(takers_count), count.checked_rem(takers_count)) else {
            continue;
        };
        let mut next = 0;
        for (index, member) in (0..).zip(takers) {
            let end = next + share + i32::from(index < extra);
            let stretch = (next..end).map(|partition| TopicPartition::new(topic.as_str(), partition));
            dealt.entry(member.id.clone()).or_default().extend(stretch);
            next = end;
        }
    }
    dealt
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Members as `id:topics`, `id/instance:topics`; topics as `name=partitions`.
    fn check(members: &[&str], topics: &[(&str, i32)], want: &str) {
        let member = |text: &&str| {
            let (who, topics) = text.split_once(':').unwrap();
            let (id, instance_id) = match who.split_once('/') {
                Some((id, instance)) => (id, Some(instance.to_owned())),
                None => (who, None),
            };
            let topics = topics.split_whitespace().map(str::to_owned).collect();
            Member { id: id.to_owned(), instance_id, topics }
        };
        let members: Vec<Member> = members.iter().map(member).collect();
        let partitions = topics.iter().map(|(name, count)| ((*name).to_owned(), *count)).collect();
        let dealt = range(&members, &partitions);
        let line = |(id, partitions): (&String, &Vec<TopicPartition>)| {
            let partitions: Vec<String> = partitions.iter().map(ToString::to_string).collect();
            format!("{id}={}", partitions.join(","))
        };
        assert_eq!(dealt.iter().map(line).collect::<Vec<_>>().join(" "), want);
    }

    #[test]
    fn stretches_are_even_and_the_first_members_take_what_is_over() {
        check(&["b:t", "a:t"], &[("t", 3)], "a=t-0,t-1 b=t-2");
        check(&["a:t u", "b:t u"], &[("t", 3), ("u", 3)], "a=t-0,t-1,u-0,u-1 b=t-2,u-2");
        check(&["a:t", "b:t", "c:t"], &[("t", 2)], "a=t-0 b=t-1 c=");
        check(&["a:t", "b:u"], &[("t", 1), ("u", 2)], "a=t-0 b=u-0,u-1");
        check(&["a:gone"], &[], "a=");
    }

    #[test]
    fn static_members_come_first() {
        check(&["a:t", "z/1:t"], &[("t", 3)], "a=t-2 z=t-0,t-1");
    }
}
