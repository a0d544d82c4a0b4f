"""How the whole suite is spread over worker processes."""

from xdist.scheduler import LoadFileScheduling

# Begun last, one of these would go on alone when the other workers are done.
LONG = (
    "test_aws.py",
    "test_graph.py",
    "test_drills.py",
    "test_cli.py",
    "test_cli_shops.py",
    "test_executor.py",
    "test_tuning.py",
)
# They share the session's one live service, which only one worker should start.
TOGETHER = ("prodclf_tests/serving/test_live.py", "prodclf_tests/parity/test_parity.py")


class Scheduling(LoadFileScheduling):
    """A file's tests stay in one worker, so that they share its fixtures; so do files that share the live service."""

    def _split_scope(self, nodeid: str) -> str:
        file: str = super()._split_scope(nodeid)
        return TOGETHER[0] if file in TOGETHER else file
