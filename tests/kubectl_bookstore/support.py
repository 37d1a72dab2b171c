"""What a plugin reads of a world in memory."""

from kubectl_bookstore.output import tree_lines
from kubectl_bookstore.views.evaluate import Evaluation, evaluate_snapshot
from kubectl_bookstore.views.observation import Observation
from kubectl_bookstore.views.planning import PlanView, plan_view
from kubectl_bookstore.views.status import StoreView, view_of
from kubectl_bookstore.views.tree import tree_of
from tests.support.world import World


def observed(world: World) -> Observation:
    """Return what the plugin reads of a BookStore."""
    objects = {key: obj for key, obj in world.objects.items() if key != world.key}
    return Observation(world.snapshot(), world.store, objects)


def evaluated(world: World) -> Evaluation:
    """Return what the operator would do now."""
    return evaluate_snapshot(world.snapshot(), world.now)


def seen(world: World) -> StoreView:
    """Return what `status` shows."""
    return view_of(observed(world), evaluated(world))


def planned(world: World) -> PlanView:
    """Return what `plan` shows of a BookStore as it is."""
    return plan_view(observed(world), evaluated(world), world.store["spec"])


def text(world: World) -> str:
    """Return the tree that `status` prints."""
    return "\n".join(line.plain for line in tree_lines(tree_of(seen(world), world.now))) + "\n"
