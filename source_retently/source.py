"""`SourceRetently`: the spec, the check, the streams; the outcome of a read becomes its error."""

import logging
import time
from collections.abc import Iterator, Mapping, MutableMapping
from datetime import timedelta
from typing import Any

from airbyte_cdk.models import (
    AirbyteConnectionStatus,
    AirbyteMessage,
    AirbyteStateMessage,
    AirbyteStreamStatus,
    AirbyteTraceMessage,
    ConfiguredAirbyteCatalog,
    ConnectorSpecification,
    FailureType,
    Status,
)
from airbyte_cdk.sources import AbstractSource
from airbyte_cdk.sources.message import InMemoryMessageRepository, MessageRepository
from airbyte_cdk.sources.streams import Stream
from airbyte_cdk.utils import AirbyteTracedException
from airbyte_cdk.utils.airbyte_secrets_utils import filter_secrets
from requests.auth import AuthBase

from source_retently import files
from source_retently.config import Config, ConfigError, canonical, shortened
from source_retently.environment import check_certificates
from source_retently.http.auth import authenticator
from source_retently.http.rate_limit import RateBudget
from source_retently.http.responses import failure
from source_retently.run_context import CHECK_TIMEOUTS, SYNC_TIMEOUTS, Outcome, Settings, Timeouts
from source_retently.spec import connector_specification
from source_retently.streams.base import RetentlyStream
from source_retently.streams.details import DetailStream
from source_retently.streams.endpoints import STREAMS, Customers
from source_retently.summary import summary

BY_URGENCY = (FailureType.config_error, FailureType.transient_error)
"""A run has the type of its streams' errors. Where they differ, a user has to act on a config_error, which no retry mends."""


class SourceRetently(AbstractSource):
    """A Retently account as an Airbyte source."""

    def __init__(self) -> None:
        self._messages = InMemoryMessageRepository()
        self._outcome = Outcome()
        self._budget: RateBudget | None = None

    def spec(self, logger: logging.Logger) -> ConnectorSpecification:
        return connector_specification()

    def configure(self, config: Mapping[str, Any], temp_dir: str) -> Mapping[str, Any]:
        """Brings each published shape of the configuration into that of the spec, so that the CDK finds the secrets in it."""
        try:
            return canonical(config)
        except ConfigError:
            return config  # `check`, `discover` and `read` report what is wrong, each as the protocol wants it

    @staticmethod
    def read_config(config_path: str) -> MutableMapping[str, Any]:
        return files.read_config(config_path)

    @classmethod
    def read_catalog(cls, catalog_path: str) -> ConfiguredAirbyteCatalog:
        return files.read_catalog(catalog_path)

    @classmethod
    def read_state(cls, state_path: str) -> list[AirbyteStateMessage]:
        return files.read_state(state_path)

    def check(self, logger: logging.Logger, config: Mapping[str, Any]) -> AirbyteConnectionStatus:
        succeeded, message = self.check_connection(logger, config)
        if succeeded:
            return AirbyteConnectionStatus(status=Status.SUCCEEDED)
        # The CDK would show the message as a Python string, in quotes.
        return AirbyteConnectionStatus(status=Status.FAILED, message=filter_secrets(str(message)))

    def check_connection(self, logger: logging.Logger, config: Mapping[str, Any]) -> tuple[bool, str | None]:
        """Reads one customer; an account without customers is fine."""
        try:
            _warn_of_unknown_options(logger, config)
            Customers(*self._prepare(config, CHECK_TIMEOUTS)).check()
        except AirbyteTracedException as error:
            return False, str(error)
        return True, None

    def streams(self, config: Mapping[str, Any]) -> list[Stream]:
        """
        :raises ConfigError: when the configuration can't be used
        """
        auth, settings = self._prepare(config, SYNC_TIMEOUTS)
        self._budget = settings.budget
        streams: dict[type[Stream], RetentlyStream] = {}
        for stream in STREAMS:
            # A detail stream shares its parent, so that the parent's rows are fetched once.
            parent = {"parent": streams[stream.parent_stream]} if issubclass(stream, DetailStream) else {}
            streams[stream] = stream(auth, settings, self._outcome, **parent)
        return list(streams.values())

    def _prepare(self, raw: Mapping[str, Any], timeouts: Timeouts) -> tuple[AuthBase, Settings]:
        raw = canonical(raw)
        config = Config.parse(raw)
        check_certificates()
        settings = Settings(
            timeouts=timeouts,
            start_date=config.start_date,
            lookback=timedelta(days=config.lookback_window),
            full_read_every=timedelta(hours=config.customers_full_read_hours),
            workers=config.num_workers,
            budget=RateBudget(config.requests_per_minute),
        )
        return authenticator(config, settings, raw), settings

    def read(
        self,
        logger: logging.Logger,
        config: Mapping[str, Any],
        catalog: ConfiguredAirbyteCatalog,
        state: list[AirbyteStateMessage] | None = None,
    ) -> Iterator[AirbyteMessage]:
        """Reads the streams of the catalog.

        :raises AirbyteTracedException: at the end, when one of them failed, or all of them were skipped
        """
        names, began = [stream.stream.name for stream in catalog.streams], time.monotonic()
        _check_names(names)
        _warn_of_unknown_options(logger, config)
        self._outcome = outcome = Outcome(messages=self.message_repository)
        failed: dict[str, FailureType | None] = {}
        try:
            for message in super().read(logger, config, catalog, state):
                if message.record:
                    outcome.emitted[message.record.stream] += 1
                elif message.trace:
                    self._note(message.trace, failed, logger)
                yield message
        except AirbyteTracedException:
            if not failed:
                raise  # before any stream: the configuration
            # The CDK sums up in several lines, and as config_error whatever it was.
            raise failure(
                f"{len(failed)} of {len(names)} streams failed ({', '.join(failed)}); see the errors above.",
                next((kind for kind in BY_URGENCY if kind in failed.values()), FailureType.system_error),
            ) from None
        finally:
            for name in list(outcome.nuls):  # of parent streams that are not in the catalog
                self._warn_of_nuls(logger, name)
            if self._budget:
                logger.info(summary(names, failed, outcome, self._budget, time.monotonic() - began))
        self._check_refusals(set(names))

    def _note(self, trace: AirbyteTraceMessage, failed: dict[str, FailureType | None], logger: logging.Logger) -> None:
        """Notes which stream failed, and warns of what was removed from one that has ended."""
        if trace.error and trace.error.stream_descriptor:
            failed[trace.error.stream_descriptor.name] = trace.error.failure_type
        status = trace.stream_status
        if status and status.status in (AirbyteStreamStatus.COMPLETE, AirbyteStreamStatus.INCOMPLETE):
            self._warn_of_nuls(logger, status.stream_descriptor.name)

    def _check_refusals(self, names: set[str]) -> None:
        skipped = self._outcome.skipped
        if skipped and names <= skipped | self._outcome.no_data:
            raise ConfigError(
                f"Retently refused every stream of the connection ({', '.join(sorted(skipped))}): check that the "
                "credentials belong to the right account and that its plan includes them."
            )

    def _warn_of_nuls(self, logger: logging.Logger, stream: str) -> None:
        if count := self._outcome.nuls.pop(stream, 0):
            were = "NUL character was" if count == 1 else "NUL characters were"
            logger.warning(f"{stream}: {count:,} {were} removed from texts.")

    @property
    def message_repository(self) -> MessageRepository:
        return self._messages


def _check_names(names: list[str]) -> None:
    """
    :raises ConfigError: when there is no stream of one of the names
    """
    if unknown := [name for name in names if name not in files.NAMES]:
        raise ConfigError(
            f"The catalog names {shortened(unknown)}, but Retently has no such stream: refresh the source's schema; "
            f"there are {', '.join(files.NAMES)}."
        )


def _warn_of_unknown_options(logger: logging.Logger, config: Mapping[str, Any]) -> None:
    """
    :raises ConfigError: when the configuration can't be used
    """
    for name, meant in Config.parse(config).unknown_options.items():
        perhaps = f": is {meant} meant?" if meant else "."
        logger.warning(f"The configuration has {name}, which is not an option and has no effect{perhaps}")
