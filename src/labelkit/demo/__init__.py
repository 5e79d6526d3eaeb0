"""The demo: the whole job on data that ships with labelkit, next to a truth that is known.

What comes in: a directory. What goes out: two labelkit projects in it, one whose log came from
good rankers and one from adverse ones, labeled without and with 100 answers, and tables that say
how far each set of labels is from the truth. It must never let a held-back grade reach a label by
any way but the scripted annotator's answers, and must say that the annotator is a script.

In the order in which data meets them:

- ``data``      real relevance grades and features (LightGBM's ranking example, MIT)
- ``signals``   features that agree with debiased clicks
- ``compare``   label sets against the truth, with intervals over queries
- ``play``      ``run``: simulate, label, ask, label again, compare
- ``template``  what a demo project starts from
"""

from labelkit.demo.play import DemoResult, run

__all__ = ["DemoResult", "run"]
