"""How many consumers there should be: decided by deadlines, measured rates and cost.

``model`` says what is looked at and what is decided, ``history`` what is remembered, ``decide`` and
``realtime`` decide, ``words`` tells a person: all of that is pure. ``look``, ``lead`` and ``run``
speak to the server. ``simulation`` and its neighbours try the same decisions on recorded loads.
"""
