"""A small real job with its checks, and the facts of it, for the tests of the pages."""

import copy

import pytest

from audit_jobs import AuditedJob, make_job
from dimpflow.audit.facts import collect_facts
from page_facts import Facts, checked


@pytest.fixture(scope="session")
def page_job(tmp_path_factory: pytest.TempPathFactory) -> AuditedJob:
    return make_job(tmp_path_factory.mktemp("pages"))


@pytest.fixture(scope="session")
def checks(page_job: AuditedJob, tmp_path_factory: pytest.TempPathFactory) -> Facts:
    return checked(page_job, tmp_path_factory.mktemp("work"))


@pytest.fixture(scope="session")
def facts(page_job: AuditedJob, checks: Facts) -> Facts:
    return collect_facts(page_job.folder, page_job.shards, page_job.run, checks)


@pytest.fixture
def changed(facts: Facts) -> Facts:
    """A copy that a test may change."""
    return copy.deepcopy(facts)
