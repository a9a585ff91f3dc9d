"""What tests are made of and share; a test imports ``harness.NAME``, wherever it lies itself.

- frames that are composed: ``frames``, ``wireguard``, ``answered`` (taken apart again), ``chance``
- executors that judge them: ``xdp``, ``sequence``, ``machine``, ``set_memory``
- hosts with real traffic: ``pair``, and on it ``numbered``, ``living``, ``hooked``, ``flooded``,
  ``tracked``, ``answer_dns``
- the command line as processes: ``processes``
- the rest: ``raw`` (a frame on an interface), ``seeding`` (how long to fuzz)
"""
