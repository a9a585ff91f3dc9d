"""Code that several tests share; tests in any directory import it as ``harness.NAME``.

- composing frames: ``frames``, ``wireguard``, ``chance``; taking answers apart: ``answered``
- executors that judge frames: ``xdp``, ``sequence``, ``machine``, ``set_memory``
- hosts with real traffic: ``pair``, and on it ``numbered``, ``living``, ``hooked``, ``flooded``,
  ``tracked``, ``answer_dns``
- the command line, run as processes: ``processes``
- others: ``raw`` (sending a frame on an interface), ``seeding`` (how long to fuzz)
"""
