"""`python -m sandbox`: runs the imitation of the API until it is stopped."""

from source_retently.light_cdk import use_light_cdk

if __name__ == "__main__":
    use_light_cdk()  # a third of the start-up, of which the tests have hundreds
    from sandbox.server import main

    main()
