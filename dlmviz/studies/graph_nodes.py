"""The nodes of a known dependency graph on a canvas, and scores of pairs of positions as theirs.

A span of several tokens is one node. Letters: N nodes, T canvas positions.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from dlmviz import tasks
from dlmviz.studies import arms
from dlmviz.studies.places import places
from dlmviz.studies.study import Unit
from dlmviz.types import Graph, InputError, Trace

TOY = "toy"  # the task of the models of dlmviz.learn.toy: a chain, and nothing else, is written


@dataclass(frozen=True, eq=False)
class Nodes:
    """Where each part of an answer stands, and which parts depend on each other."""

    at: list[list[int]]  # canvas positions of each node
    edges: np.ndarray  # bool [N N], symmetric

    def masked(self, tokens: np.ndarray, mask: int) -> list[list[int]]:
        """The positions of each node that are masked on this canvas; empty where none is."""
        return [[i for i in node if tokens[i] == mask] for node in self.at]


def nodes_of(unit: Unit, trace: Trace) -> Nodes:
    """The nodes of the run's answer. InputError where it has none, or they cannot be found."""
    if unit.example is None:
        raise InputError("this run kept no example, so what depends on what is not known")
    if unit.example.task == TOY:
        return toy_nodes(unit.example.data["order"])
    graph = tasks.get(unit.example.task).graph(unit.example)
    if graph is None or not graph.edges or _complete(graph):
        raise InputError(
            f"a {unit.example.task} answer ({unit.example.kind}) has no graph with edges and "
            "pairs without; take puzzles, mrf, or trivia of kind bundle"
        )
    same = len(trace.text) == len(unit.example.answer)
    at = places(trace, graph.spans) if same and arms.graded(unit, trace.text) else None
    if at is None:
        raise InputError(
            "the answer is wrong or written in another way, so where its parts stand is not known"
        )
    edges = np.zeros((len(at), len(at)), bool)
    for a, b in graph.edges:
        edges[a, b] = edges[b, a] = True
    return Nodes(at, edges)


def toy_nodes(order: list[int]) -> Nodes:
    """A node a place of the chain, behind the opening mark. `order`: where each place stands."""
    from dlmviz.learn.toy.chain import EDGES

    edges = np.zeros((len(order), len(order)), bool)
    for a, b in EDGES:
        edges[a, b] = edges[b, a] = True
    return Nodes([[1 + position] for position in order], edges)


def between(matrix: np.ndarray, nodes: list[list[int]]) -> np.ndarray:
    """[T T] -> [N N]: the greatest score of any two of their positions; 0 for a node without any.

    The diagonal is 0.
    """
    out = np.zeros((len(nodes), len(nodes)))
    for a, left in enumerate(nodes):
        for b, right in enumerate(nodes):
            if left and right and a != b:
                out[a, b] = matrix[np.ix_(left, right)].max()
    return out


def _complete(graph: Graph) -> bool:
    count = len(graph.spans)
    return len(graph.edges) == count * (count - 1) // 2
