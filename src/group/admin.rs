//! DescribeGroups, ListGroups and DeleteGroups between the wire and the core.

use std::collections::HashSet;

use futures_util::future::join_all;
use wire::delete_groups::DeletableGroupResult;
use wire::describe_groups::{DescribedGroup, DescribedGroupMember};
use wire::list_groups::ListedGroup;
use wire::{
    DeleteGroupsRequest, DeleteGroupsResponse, DescribeGroupsRequest, DescribeGroupsResponse, ErrorCode,
    ListGroupsRequest, ListGroupsResponse, Str,
};

use super::core::answer::{Description, Refusal, Reply};
use super::core::{Event, Text};
use super::errors::code;
use super::{GroupCoordinator, GroupIds};

/// The type of all groups here (KIP-848 has others).
const CLASSIC: &str = "classic";

impl GroupCoordinator {
    /// Shows groups, v0–5; an unknown one is "Dead". Authorised operations (v3+) are the handler's to fill in.
    pub fn describe_groups(&self, request: DescribeGroupsRequest) -> DescribeGroupsResponse {
        let groups = request.groups.into_iter().map(|group| self.describe(group));
        DescribeGroupsResponse { groups: groups.collect(), ..Default::default() }
    }

    fn describe(&self, group_id: Str) -> DescribedGroup {
        let slot = self.slot(&group_id, GroupIds::Any);
        match slot.and_then(|slot| slot.read(|core| core.describe(&group_id))) {
            Ok(description) => described(group_id, description),
            Err(refusal) => {
                DescribedGroup { error_code: ErrorCode::from(refusal).code(), group_id, ..Default::default() }
            }
        }
    }

    /// Lists the groups of this broker, v0–5. v4+ filters by state, v5+ by type, both whatever their case. Groups of
    /// partitions that are still loading are missing, and COORDINATOR_LOAD_IN_PROGRESS says so.
    pub fn list_groups(&self, request: &ListGroupsRequest) -> ListGroupsResponse {
        if let Err(refusal) = self.check_active() {
            return ListGroupsResponse { error_code: ErrorCode::from(refusal).code(), ..Default::default() };
        }
        let among = |filter: &[Str], name: &str| {
            filter.is_empty() || filter.iter().any(|wanted| wanted.eq_ignore_ascii_case(name))
        };
        let mut response = ListGroupsResponse::default();
        for slot in &self.slots {
            match slot.read(|core| core.list().collect::<Vec<_>>()) {
                Ok(groups) => {
                    let wanted = groups.into_iter().filter(|(_, _, state)| among(&request.states_filter, state.name()));
                    response.groups.extend(wanted.map(|(group_id, protocol_type, state)| ListedGroup {
                        group_id: group_id.into(),
                        protocol_type: protocol_type.into(),
                        group_state: state.name().into(),
                        group_type: Str::from_static(CLASSIC),
                    }));
                }
                Err(Refusal::CoordinatorLoadInProgress) => {
                    response.error_code = ErrorCode::CoordinatorLoadInProgress.code();
                }
                // Another broker's.
                Err(_) => {}
            }
        }
        if !among(&request.types_filter, CLASSIC) {
            response.groups.clear();
        }
        response
    }

    /// Deletes groups without members, v0–2. Waits until the tombstones are replicated.
    pub async fn delete_groups(&self, request: DeleteGroupsRequest) -> DeleteGroupsResponse {
        let mut seen = HashSet::new();
        let groups = request.groups_names.into_iter().filter(|group| seen.insert(group.clone())).collect::<Vec<_>>();
        let deletions = groups.into_iter().map(|group_id| async {
            let error_code = code(&self.delete(&group_id).await);
            DeletableGroupResult { group_id, error_code }
        });
        // All at once, so that their tombstones share batches.
        DeleteGroupsResponse { results: join_all(deletions).await, ..Default::default() }
    }

    async fn delete(&self, group_id: &Str) -> Result<(), Refusal> {
        let group = Text::from(group_id);
        match self.slot(group_id, GroupIds::Any)?.call(|token| Event::DeleteGroup(token, group)).await? {
            Reply::DeleteGroup(outcome) => outcome,
            _ => Err(Refusal::UnknownServerError),
        }
    }
}

fn described(group_id: Str, description: Description) -> DescribedGroup {
    let members = description.members.into_iter().map(|member| DescribedGroupMember {
        member_id: member.member_id.into(),
        group_instance_id: member.group_instance_id.map(Str::from),
        client_id: member.client_id.into(),
        client_host: member.client_host.into(),
        member_metadata: member.metadata,
        member_assignment: member.assignment,
    });
    DescribedGroup {
        group_id,
        group_state: description.state.into(),
        protocol_type: description.protocol_type.into(),
        protocol_data: description.protocol.into(),
        members: members.collect(),
        ..Default::default()
    }
}
