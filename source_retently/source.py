"""`SourceRetently`: what the connector needs to know, whether that works, and which streams there are."""

import logging
from collections import Counter
from collections.abc import Iterator, Mapping, MutableMapping
from datetime import timedelta
from typing import Any

from airbyte_cdk.models import (
    AirbyteConnectionStatus,
    AirbyteMessage,
    AirbyteStateMessage,
    AirbyteStreamStatus,
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
from source_retently.answers import failure
from source_retently.auth import authenticator
from source_retently.budget import RateBudget
from source_retently.config import DOCUMENTATION_URL, Config, ConfigError, advanced_auth, canonical, connection_specification
from source_retently.context import CHECK_PATIENCE, SYNC_PATIENCE, HttpContext, Patience, Window, check_certificates
from source_retently.streams import STREAMS, Customers, RetentlyStream
from source_retently.streams.details import DetailStream


class SourceRetently(AbstractSource):
    """A Retently account as an Airbyte source."""

    def __init__(self) -> None:
        self._messages = InMemoryMessageRepository()
        self._skipped: set[str] = set()
        self._absent: set[str] = set()
        self._nuls: Counter[str] = Counter()

    def spec(self, logger: logging.Logger) -> ConnectorSpecification:
        return ConnectorSpecification(
            connectionSpecification=connection_specification(),
            documentationUrl=DOCUMENTATION_URL,
            advanced_auth=advanced_auth(),
        )

    def configure(self, config: Mapping[str, Any], temp_dir: str) -> Mapping[str, Any]:
        """Brings every published shape of the configuration into the spec's, so that the CDK finds the secrets in it."""
        try:
            return canonical(config)
        except ConfigError:
            return config  # `check`, `discover` and `read` say what is wrong, each as the protocol wants it

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
        succeeded, sentence = self.check_connection(logger, config)
        if succeeded:
            return AirbyteConnectionStatus(status=Status.SUCCEEDED)
        # The CDK would show the sentence as Python writes it, in quotes.
        return AirbyteConnectionStatus(status=Status.FAILED, message=filter_secrets(str(sentence)))

    def check_connection(self, logger: logging.Logger, config: Mapping[str, Any]) -> tuple[bool, str | None]:
        """Reads one customer, which an account may have none of."""
        try:
            auth, context = self._prepare(config, CHECK_PATIENCE)
            customers = Customers(auth, context)
            customers.page_size = 1
            customers.fetch_first_page()
        except AirbyteTracedException as error:
            return False, str(error)
        return True, None

    def streams(self, config: Mapping[str, Any]) -> list[Stream]:
        """
        :raises ConfigError: when the configuration can't be used
        """
        auth, context = self._prepare(config, SYNC_PATIENCE)
        streams: dict[type[Stream], RetentlyStream] = {}
        for stream in STREAMS:
            # A stream of details shares its parent, so that the parent's rows are asked for once.
            parent = {"parent": streams[stream.parent_stream]} if issubclass(stream, DetailStream) else {}
            streams[stream] = stream(auth, context, **parent)
        return list(streams.values())

    def _prepare(self, raw: Mapping[str, Any], patience: Patience) -> tuple[AuthBase, HttpContext]:
        raw = canonical(raw)
        config = Config.parse(raw)
        check_certificates()
        context = HttpContext(
            patience=patience,
            budget=RateBudget(config.requests_per_minute),
            window=Window(config.start_date, timedelta(days=config.lookback_window)),
            workers=config.num_workers,
            skipped=self._skipped,
            absent=self._absent,
            nuls=self._nuls,
            messages=self.message_repository,
        )
        return authenticator(config, context, raw), context

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
        self._skipped.clear()
        self._absent.clear()
        self._nuls.clear()
        if unknown := [stream.stream.name for stream in catalog.streams if stream.stream.name not in files.NAMES]:
            raise ConfigError(
                f"The catalog names {files.shown(unknown)}, but Retently has no such stream: refresh the source's schema; "
                f"there are {', '.join(files.NAMES)}."
            )
        failed: dict[str, FailureType | None] = {}
        try:
            for message in super().read(logger, config, catalog, state):
                error = message.trace.error if message.trace else None
                if error and error.stream_descriptor:
                    failed[error.stream_descriptor.name] = error.failure_type
                status = message.trace.stream_status if message.trace else None
                if status and status.status in (AirbyteStreamStatus.COMPLETE, AirbyteStreamStatus.INCOMPLETE):
                    self._warn_of_nuls(logger, status.stream_descriptor.name)
                yield message
        except AirbyteTracedException:
            if not failed:
                raise  # before any stream: the configuration
            # The CDK sums up in several lines, and as config_error whatever it was.
            types = set(failed.values())
            sentence = (
                f"{len(failed)} of {len(catalog.streams)} streams failed ({', '.join(failed)}); see what was said of each."
            )
            raise failure(
                sentence, types.pop() or FailureType.system_error if len(types) == 1 else FailureType.config_error
            ) from None
        finally:
            for name in list(self._nuls):  # lists that were read for their details alone
                self._warn_of_nuls(logger, name)
        if self._skipped and {stream.stream.name for stream in catalog.streams} <= self._skipped | self._absent:
            raise ConfigError(
                f"Retently refused every stream of the connection ({', '.join(sorted(self._skipped))}): check that the "
                "credentials belong to the right account and that its plan includes them."
            )

    def _warn_of_nuls(self, logger: logging.Logger, stream: str) -> None:
        if count := self._nuls.pop(stream, 0):
            were = "NUL character was" if count == 1 else "NUL characters were"
            logger.warning(f"{stream}: {count:,} {were} removed from texts.")

    @property
    def message_repository(self) -> MessageRepository:
        return self._messages
