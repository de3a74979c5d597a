"""The general way: a resource as a tree of nodes, the rules applied one after the other, literally as the specification says.

For resources in which a rule depends on what an earlier one did, for paths that depend on all their nodes at once, for saying
where a resource fails, and for explaining which rule took which element.
"""
