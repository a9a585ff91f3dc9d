"""What tests are made of and share; a test imports ``harness.NAME``, wherever it lies itself.

- frames that are composed: ``frames``, ``wireguard``, ``answered`` (taken apart again), ``chance``
- executors that judge them: ``xdp``, ``sequence``, ``set_memory``
- hosts with real traffic: ``pair``, and on it ``numbered``, ``living``, ``hooked``, ``flooded``,
  ``tracked``, ``answer_dns``
- the command line as processes: ``processes``
- processes that are stopped at a step, and pins of old: ``stopping``, ``older``
- the rest: ``raw`` (a frame on an interface), ``seeding`` (how long to fuzz), ``page`` (of the
  docs, as a program), and ``worker``, in which pytest-xdist runs its workers
"""
