"""What Batch is asked to run: jobs and tasks as its models. Pure.

Nothing in them is a secret: whoever may read the account reads all of it. Consumers come to
everything by the managed identity of their nodes.
"""

from datetime import timedelta

from azure.batch import models

from engine.address import URL, Address
from engine.credentials import IDENTITY
from infra.config import Deployment
from infra.pool.plan import Order, PoolLane

RETRIES = 3
"""How often a consumer that ended badly is begun again; one whose node was lost, always."""

RETENTION = timedelta(hours=1)
"""How long a node keeps the folder of a task that has ended: its logs are in Blob by then."""

GRACE = 60
"""Seconds between SIGTERM and SIGKILL, where the container's runtime is what ends it."""

RUN_OPTIONS = " ".join(
    [
        # Whichever way Batch puts the command line behind the image's entry point, this runs it.
        "--entrypoint /usr/bin/env",
        # Passes signals on, and buries the processes that slots leave behind.
        f"--init --stop-timeout {GRACE}",
        "--read-only --tmpfs /tmp:rw,nosuid,nodev,size=512m",
        "--cap-drop ALL --security-opt no-new-privileges",
    ]
)
"""How the container is run. Not in the host's network: nothing connects to a consumer."""


def pool_id(deployment: Deployment, lane: PoolLane) -> str:
    """The pool whose nodes serve a lane."""
    return deployment.bulk_pool if lane is PoolLane.BULK else deployment.realtime_pool


def job(job_id: str, deployment: Deployment, order: Order) -> models.BatchJobCreateOptions:
    """The job of a crew; it ends when somebody ends it, not with its tasks."""
    return models.BatchJobCreateOptions(
        id=job_id,
        display_name=f"azfinsim consumers, {order.lane} lane",
        pool_info=models.BatchPoolInfo(pool_id=pool_id(deployment, order.lane)),
        # More consumers may be asked for after all have left, and one that fails is its own affair.
        all_tasks_complete_mode=models.BatchAllTasksCompleteMode.NO_ACTION,
        task_failure_mode=models.BatchTaskFailureMode.NO_ACTION,
        metadata=[models.BatchMetadataItem(name="azfinsim-crew", value=order.name)],
    )


def task(
    job_id: str, member: str, deployment: Deployment, order: Order
) -> models.BatchTaskCreateOptions:
    """One consumer."""
    at_most = timedelta(seconds=order.at_most) if order.at_most is not None else None
    return models.BatchTaskCreateOptions(
        id=member,
        command_line=" ".join(["azfinsim", "consume", *order.arguments()]),
        container_settings=_container(deployment),
        environment_settings=[
            models.EnvironmentSetting(name=name, value=value)
            for name, value in environment(job_id, member, deployment).items()
        ],
        output_files=[_output(job_id, member, deployment, order)],
        constraints=models.BatchTaskConstraints(
            max_task_retry_count=RETRIES, retention_time=RETENTION, max_wall_clock_time=at_most
        ),
    )


def environment(job_id: str, member: str, deployment: Deployment) -> dict[str, str]:
    """The variables by which a consumer on a node finds everything."""
    # Tokens go over TLS alone; elsewhere the server asks nobody, as in a trial.
    by_token = Address.parse(deployment.redis_url).tls
    return {
        URL: deployment.redis_url,
        **({"AZFINSIM_REDIS_AUTH": "entra"} if by_token else {}),
        IDENTITY: deployment.consumer_client_id,
        # Azure's own chain goes by this one, wherever it is asked.
        "AZURE_CLIENT_ID": deployment.consumer_client_id,
        "AZFINSIM_CREW": f"{job_id}/{member}",
        "AZFINSIM_LOGS": logs_url(deployment),
        "APPLICATIONINSIGHTS_CONNECTION_STRING": deployment.telemetry,
    }


def logs_url(deployment: Deployment) -> str:
    """Where logs go; below it ``POOL/JOB/TASK/``."""
    return f"{deployment.storage_url.rstrip('/')}/{deployment.logs_container}"


def _container(deployment: Deployment) -> models.BatchTaskContainerSettings:
    return models.BatchTaskContainerSettings(
        image_name=deployment.image,
        registry=models.ContainerRegistryReference(
            registry_server=deployment.registry_server,
            identity_reference=models.BatchNodeIdentityReference(
                resource_id=deployment.registry_identity
            ),
        ),
        container_run_options=RUN_OPTIONS,
        # The task's own folder belongs to another user than the image's.
        working_directory=models.ContainerWorkingDirectory.CONTAINER_IMAGE_DEFAULT,
    )


def _output(job_id: str, member: str, deployment: Deployment, order: Order) -> models.OutputFile:
    """What the task printed: of a consumer that could not even begin to log."""
    return models.OutputFile(
        file_pattern="../std*.txt",
        destination=models.OutputFileDestination(
            container=models.OutputFileBlobContainerDestination(
                container_url=logs_url(deployment),
                path=f"{pool_id(deployment, order.lane)}/{job_id}/{member}",
                identity_reference=models.BatchNodeIdentityReference(
                    resource_id=deployment.consumer_identity
                ),
            )
        ),
        upload_options=models.OutputFileUploadConfiguration(
            upload_condition=models.OutputFileUploadCondition.TASK_COMPLETION
        ),
    )
