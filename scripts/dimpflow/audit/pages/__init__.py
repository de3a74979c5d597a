"""The pages of the audit for people: functions of audit.json's facts that give HTML, of counts and paths only; all of them: `report`."""
