"""The sweep over all fields (tests/cluster/test_sweep.py) has another valid value for each."""

import pytest

from bookstore_operator.crd.bookstore import BookStoreSpec
from tests.support.spec_changes import Field, base_of, fields, merged, with_value

pytestmark = pytest.mark.golden


@pytest.mark.parametrize("field", fields(), ids=lambda field: field.name)
def test_every_field_has_another_valid_value(field: Field) -> None:
    base = merged({"image": "localhost/bookstore-api:1"}, base_of(field.path))
    before = BookStoreSpec.model_validate(base)
    after = BookStoreSpec.model_validate(with_value(base, field.path, field.value))
    assert before != after
