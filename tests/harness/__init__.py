"""Code that several tests share; tests in any directory import it as ``harness.NAME``.

- composing frames: ``frames``, ``wireguard``, ``chance``; taking answers apart: ``answered``
- executors that judge frames: ``xdp``, ``sequence``, ``set_memory``
- hosts with real traffic: ``pair``, and on it ``numbered``, ``living``, ``hooked``, ``flooded``,
  ``tracked``, ``answer_dns``
- the command line, run as processes: ``processes``
- processes stopped at a step, and pins of older versions: ``stopping``, ``older``
- others: ``raw`` (sending a frame on an interface), ``seeding`` (how long to fuzz),
  ``page`` (a page of the docs as a program), ``worker`` (runs the workers of pytest-xdist)
"""
