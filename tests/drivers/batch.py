"""What a piece does with several statements in one request; it stands before the piece's own text."""


def walked(at):
    """Gives the rows of each result, one after the other."""
    results = [[list(row) for row in at.fetchall()]]
    while at.nextset():
        results.append([list(row) for row in at.fetchall()])
    return results


def followed(connection, sql, count):
    """Sends a batch that nobody waits for and follows it by its ids; gives its results and the ids of its parts."""
    import time

    at = connection.cursor()
    at.execute_async(sql, num_statements=count)
    parent = at.sfqid
    while connection.is_still_running(connection.get_query_status(parent)):
        time.sleep(0.1)
    at.get_results_from_sfqid(parent)
    return walked(at), at.multi_statement_savedIds


