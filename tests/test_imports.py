"""The order of imports, in addition to the contracts of import-linter in pyproject.toml."""

from graphlib import TopologicalSorter

from grimp import build_graph


def test_no_module_imports_itself_by_way_of_others() -> None:
    """Neither modules side by side nor a package and what is in it, also not under TYPE_CHECKING."""
    imports = build_graph("qotgate")
    order = TopologicalSorter(
        {one: imports.find_modules_directly_imported_by(one) for one in imports.modules}
    )
    # Raises CycleError, which names the modules.
    assert list(order.static_order())
