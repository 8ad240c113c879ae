"""A CDK stack with Lamprey. Run layer/build first. Take over what is marked "Lamprey"."""

import json
import pathlib

from aws_cdk import Duration, Stack
from aws_cdk import aws_cloudwatch as cloudwatch
from aws_cdk import aws_lambda as lambda_
from aws_cdk import aws_logs as logs
from constructs import Construct

LAMPREY = pathlib.Path(__file__).resolve().parents[3]  # a checkout of Lamprey


class ExampleStack(Stack):
    def __init__(self, scope: Construct, name: str, **options) -> None:
        super().__init__(scope, name, **options)
        layer = lambda_.LayerVersion(  # Lamprey
            self,
            "LampreyLayer",
            code=lambda_.Code.from_asset(str(LAMPREY / "dist" / "lamprey-x86_64.zip")),
            compatible_architectures=[lambda_.Architecture.X86_64],
        )
        group = logs.LogGroup(self, "LogGroup", retention=logs.RetentionDays.TWO_WEEKS)
        lambda_.Function(
            self,
            "Function",
            runtime=lambda_.Runtime.PYTHON_3_13,
            architecture=lambda_.Architecture.X86_64,
            handler="index.handler",
            code=lambda_.Code.from_inline("def handler(event, context):\n    return {}\n"),
            memory_size=256,
            timeout=Duration.seconds(10),
            log_group=group,
            layers=[layer],  # Lamprey
            environment={"AWS_LAMBDA_EXEC_WRAPPER": "/opt/lamprey"},  # Lamprey
        )
        body = (LAMPREY / "layer" / "views" / "dashboard.json").read_text()  # Lamprey
        values = {"Region": self.region, "LogGroup": group.log_group_name, "Namespace": "Lamprey"}
        for variable, value in values.items():
            body = body.replace("${" + variable + "}", value)
        cloudwatch.CfnDashboard(self, "LampreyDashboard", dashboard_body=json.dumps(json.loads(body)))
