def report_page(plan, recording, facts):
    return "x"
