//! The coordinator's refusals as error codes.

use wire::ErrorCode;

use super::core::answer::Refusal;

impl From<Refusal> for ErrorCode {
    fn from(refusal: Refusal) -> ErrorCode {
        match refusal {
            Refusal::CoordinatorNotAvailable => ErrorCode::CoordinatorNotAvailable,
            Refusal::CoordinatorLoadInProgress => ErrorCode::CoordinatorLoadInProgress,
            Refusal::NotCoordinator => ErrorCode::NotCoordinator,
            Refusal::InvalidGroupId => ErrorCode::InvalidGroupId,
            Refusal::InvalidSessionTimeout => ErrorCode::InvalidSessionTimeout,
            Refusal::UnknownMemberId => ErrorCode::UnknownMemberId,
            Refusal::IllegalGeneration => ErrorCode::IllegalGeneration,
            Refusal::InconsistentGroupProtocol => ErrorCode::InconsistentGroupProtocol,
            Refusal::RebalanceInProgress => ErrorCode::RebalanceInProgress,
            Refusal::MemberIdRequired => ErrorCode::MemberIdRequired,
            Refusal::GroupMaxSizeReached => ErrorCode::GroupMaxSizeReached,
            Refusal::FencedInstanceId => ErrorCode::FencedInstanceId,
            Refusal::GroupIdNotFound => ErrorCode::GroupIdNotFound,
            Refusal::NonEmptyGroup => ErrorCode::NonEmptyGroup,
            Refusal::GroupSubscribedToTopic => ErrorCode::GroupSubscribedToTopic,
            Refusal::OffsetMetadataTooLarge => ErrorCode::OffsetMetadataTooLarge,
            Refusal::InvalidCommitOffsetSize => ErrorCode::InvalidCommitOffsetSize,
            Refusal::RequestTimedOut => ErrorCode::RequestTimedOut,
            Refusal::UnknownServerError => ErrorCode::UnknownServerError,
        }
    }
}

/// The code of an outcome, 0 for success.
pub(super) fn code<T>(outcome: &Result<T, Refusal>) -> i16 {
    outcome.as_ref().err().map_or(ErrorCode::None, |refusal| ErrorCode::from(*refusal)).code()
}
