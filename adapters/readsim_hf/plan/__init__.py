"""`readsim plan`: what a run would spend and reach, before any weight is loaded; afterwards, what it did."""
