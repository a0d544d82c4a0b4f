"""A cloud API server: moto, with the few things added that CloudFormation answers and moto does not.

`python -m prodclf_tests.infra.cloud_server HOST PORT`. Moto carries out a stack at once and in memory.
"""

import sys
from typing import Any

from moto.cloudformation.models import CloudFormationBackend
from moto.elbv2.models import FakeLoadBalancer, FakeTargetGroup
from moto.server import main


def _full_name(self: Any) -> str:
    """The end of the ARN, by which CloudWatch names balancers and target groups."""
    return str(self.arn).partition(":loadbalancer/")[2] or str(self.arn).rpartition(":")[2]


def _add_attribute(model: Any, name: str) -> None:
    known = getattr(model, "get_cfn_attribute", None)

    def get(self: Any, attribute: str) -> Any:
        return _full_name(self) if attribute == name or known is None else known(self, attribute)

    model.get_cfn_attribute = get


def _keep_defaults() -> None:
    """Let an update keep the value of a parameter that was created with its default, which moto does not remember."""
    known = CloudFormationBackend._resolve_update_parameters

    def resolve(self: Any, instance: Any, incoming_params: Any) -> Any:
        kept = [
            each
            for each in incoming_params
            if each["ParameterKey"] in instance.parameters or "ParameterValue" in each
        ]
        return known(self, instance, kept)

    CloudFormationBackend._resolve_update_parameters = resolve  # type: ignore[method-assign]


_keep_defaults()
_add_attribute(FakeLoadBalancer, "LoadBalancerFullName")
_add_attribute(FakeTargetGroup, "TargetGroupFullName")

if __name__ == "__main__":
    main(["-H", sys.argv[1], "-p", sys.argv[2]])
